package torture

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Soak is many rounds.
type Soak struct {
	Seed     uint64 // of the first round; each further one has the next
	Duration time.Duration
	Rounds   int // 0: as many as there is time for
	Parallel int // at once; default 2
	Life     time.Duration
	Dir      string
	Out      io.Writer
	Report   *Report
}

// Run runs rounds until the time is over, writes a line each minute and a table at the end, and
// returns how many have failed.
func (s *Soak) Run(ctx context.Context) int64 {
	began := time.Now()
	next, stop := s.turns(ctx, began)
	defer stop()
	var all sync.WaitGroup
	for range max(1, s.Parallel) {
		all.Go(func() {
			for seed := range next {
				s.round(ctx, seed)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-minute.C:
			s.printf("%s: %s\n", time.Since(began).Round(time.Second), s.Report.Line())
		case <-done:
			s.printf("after %s:\n", time.Since(began).Round(time.Second))
			_ = s.Report.Table(s.Out)
			return s.Report.Get(Failures)
		}
	}
}

func (s *Soak) round(ctx context.Context, seed uint64) {
	err := Run(ctx, Config{Seed: seed, Life: s.Life, Dir: s.Dir, Report: s.Report,
		Rerun: fmt.Sprintf("go run ./torture/soak -seed %d -rounds 1", seed)})
	if err != nil {
		s.printf("FAILED: %v\n", err)
	}
}

// turns hands out the seeds of rounds until it is time to end.
func (s *Soak) turns(ctx context.Context, began time.Time) (<-chan uint64, context.CancelFunc) {
	ctx, stop := context.WithDeadline(ctx, began.Add(s.Duration))
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		for n := 0; (s.Rounds == 0 || n < s.Rounds) && ctx.Err() == nil; n++ {
			select {
			case seeds <- s.Seed + uint64(n):
			case <-ctx.Done():
			}
		}
	}()
	return seeds, stop
}

func (s *Soak) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.Out, format, args...) }
