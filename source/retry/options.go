package retry

import (
	"fmt"
	"time"
)

// Options say how long to go on. The zero value is the default.
type Options struct {
	// Tries is how often the same bytes are asked for. 0 means 10, which with the other
	// defaults takes about 20 seconds; -1 means until the ctx ends.
	Tries int
	// First is the pause after the first failure; each further one doubles it. A random half of
	// every pause is left out, so that many clients do not come back together. 0 means 100 ms.
	First time.Duration
	// Longest bounds the pauses, except where the server itself advises a longer one. 0 means 5 s.
	Longest time.Duration
	// Stall is how long a try may go without any byte before it is given up like one that
	// failed. 0 means 15 s, -1 for ever.
	Stall time.Duration
	// StallNow is asked at the beginning of each try, and says what Stall is for it; what is not
	// more than 0 means Stall. nil: Stall.
	StallNow func() time.Duration
}

// longestAdvice bounds what a server's advice can make us wait, whatever it says.
const longestAdvice = time.Minute

func (o Options) withDefaults() (Options, error) {
	if err := o.validate(); err != nil {
		return o, err
	}
	if o.Tries == 0 {
		o.Tries = 10
	}
	if o.First == 0 {
		o.First = 100 * time.Millisecond
	}
	if o.Longest == 0 {
		o.Longest = max(5*time.Second, o.First)
	}
	if o.Stall == 0 {
		o.Stall = 15 * time.Second
	}
	return o, nil
}

// stall is how long the try that begins now may go without a byte.
func (o Options) stall() time.Duration {
	if o.StallNow != nil {
		if d := o.StallNow(); d > 0 {
			return d
		}
	}
	return o.Stall
}

func (o Options) validate() error {
	switch {
	case o.Tries < -1:
		return fmt.Errorf("retry: Tries is %d, want -1 or more", o.Tries)
	case o.First < 0:
		return fmt.Errorf("retry: First is %v, want 0 or more", o.First)
	case o.Longest < 0 || o.Longest > 0 && o.Longest < o.First:
		return fmt.Errorf("retry: Longest is %v, want at least First, which is %v", o.Longest, o.First)
	case o.Stall < -1:
		return fmt.Errorf("retry: Stall is %v, want -1 or more", o.Stall)
	}
	return nil
}
