package clone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"hydrant/clone/state"
	"hydrant/source"
)

// trouble is what keeps the clone from hydrating, as far as this process knows. Each reason stands
// for itself and goes with its own cause; what of them is shown to everyone is decided in one
// place.
type trouble struct {
	mu     sync.Mutex // guards the rest
	doubt  *hindrance // some bytes in dest are not the source's: for good
	source *hindrance // the source fails for good: so do cold reads
	dest   *hindrance // dest takes no bytes of the source: reads go on
	end    *hindrance // all is local, and something lies in the way of completing
	low    *hindrance // the background leaves the rest of the disk alone
	last   error      // what failed last and is tried again

	probing   bool
	probeOff  int64         // where the source failed
	probeWait time.Duration // before the next probe; small again when bytes have arrived
	destWait  time.Duration // after the last failure
	destAgain time.Time     // when dest is to be tried again
	text      string        // shown last by this process
}

// hindrance is what will not go away without somebody's doing: ErrStalled or ErrPaused, and why.
type hindrance struct{ kind, why error }

func (h *hindrance) Error() string   { return h.kind.Error() + ": " + h.why.Error() }
func (h *hindrance) Unwrap() []error { return []error{h.kind, h.why} }

const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

func longer(wait time.Duration) time.Duration { return min(max(2*wait, firstWait), longestWait) }

// standsLocked is the weightiest hindrance, nil when there is none.
func (t *trouble) standsLocked() *hindrance { return cmp.Or(t.doubt, t.source, t.dest, t.end, t.low) }

// change changes what is known of the trouble and shows the result.
func (c *Clone) change(f func(t *trouble)) {
	t := &c.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t)
	c.showLocked(t)
}

// showLocked puts activity and error where every process sees them. In mode ro, the reason for
// that is the error that stands.
func (c *Clone) showLocked(t *trouble) {
	h := c.head()
	activity, text := state.Hydrating, ""
	if t.last != nil {
		text = t.last.Error()
	}
	stands := t.standsLocked()
	if stands != nil {
		text = stands.why.Error()
	}
	switch {
	case stands != nil && stands.kind == ErrStalled:
		activity = state.Stalled
	case stands != nil || h.Hydration.Load() == 0:
		activity = state.Paused
	}
	if h.Activity.Load() != uint64(activity) {
		h.Activity.Store(uint64(activity))
	}
	if text != t.text && c.mode() == state.ReadWrite {
		t.text = text
		h.SetError(text)
	}
}

// show brings what is shown up to date.
func (c *Clone) show() { c.change(func(*trouble) {}) }

// say shows an error that is tried again, nil for none.
func (c *Clone) say(err error) { c.change(func(t *trouble) { t.last = err }) }

// hindered is why the clone will not become complete by itself, as far as this process knows.
func (c *Clone) hindered() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	if h := c.trouble.standsLocked(); h != nil {
		return h
	}
	return nil
}

// unfinished is why the clone, of which all is local, will not become complete by itself.
func (c *Clone) unfinished() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	if h := cmp.Or(c.trouble.doubt, c.trouble.end); h != nil {
		return h
	}
	return nil
}

// stalled is why cold bytes cannot be had, nil when they can.
func (c *Clone) stalled() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	if h := c.trouble.source; h != nil {
		return h
	}
	return nil
}

// fetchFailed judges the end of a flight at byte off. A transient error was tried again as often
// as made sense: whoever waited is told, and the background waits a while. Any other is final.
func (c *Clone) fetchFailed(err error, off int64) {
	switch {
	case errors.Is(err, ErrClosed) || c.ctx.Err() != nil:
	case source.KindOf(err) == source.Final:
		c.stall(err, off)
	default:
		c.say(err)
	}
}

// fetched notes that the source has given what was asked for.
func (c *Clone) fetched() {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	c.trouble.probeWait = 0
	if c.trouble.last != nil {
		c.trouble.last = nil
		c.showLocked(&c.trouble)
	}
}

// stall stops hydration and fails cold reads at once, until a probe of byte off succeeds.
func (c *Clone) stall(why error, off int64) {
	begun := c.changeAndTell(func(t *trouble) (begun bool) {
		t.source = &hindrance{ErrStalled, why}
		if begun = !t.probing; begun {
			t.probing, t.probeOff = true, off
		}
		return begun
	}, Stall, why)
	if begun {
		c.spawn(c.probe)
	}
	c.changed.fire()
}

// probe is the goroutine that asks the source for one byte, ever less often, until it answers.
func (c *Clone) probe() {
	for {
		c.trouble.mu.Lock()
		c.trouble.probeWait = longer(c.trouble.probeWait)
		wait, off := c.trouble.probeWait, c.trouble.probeOff
		c.trouble.mu.Unlock()
		if sleep(c.ctx, wait) != nil {
			return
		}
		if c.probeOnce(off) == nil {
			break
		}
	}
	c.resume(func(t *trouble) { t.source, t.probing = nil, false })
}

func (c *Clone) probeOnce(off int64) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout())
	defer cancel()
	var b [1]byte
	return source.ReadAll(ctx, c.src.inner, c.id, b[:], off)
}

// resume takes away what hindered, and tells of it.
func (c *Clone) resume(change func(*trouble)) {
	c.changeAndTell(func(t *trouble) bool { change(t); return true }, Resumed, nil)
	c.changed.fire()
	nudge(c.wake)
}

// destFailed notes that dest took no bytes of the source. It is tried again from time to time.
func (c *Clone) destFailed(why error) {
	why = fmt.Errorf("write to %s: %w", c.target.Name(), why)
	kind, event := ErrStalled, Stall
	if errors.Is(why, syscall.ENOSPC) || errors.Is(why, syscall.EDQUOT) {
		kind, event = ErrPaused, DiskFull
		why = fmt.Errorf("disk is full: %w; make room and it goes on", why)
	}
	begun := c.changeAndTell(func(t *trouble) bool {
		begun := t.dest == nil
		t.dest = &hindrance{kind, why}
		if now := time.Now(); begun || now.After(t.destAgain) {
			t.destWait = longer(t.destWait)
			t.destAgain = now.Add(t.destWait)
		}
		c.full.Store(true)
		return begun
	}, event, why)
	if begun {
		c.changed.fire()
	}
}

// destDue tells whether dest is to be tried again now, after it took nothing.
func (c *Clone) destDue() bool {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	return time.Now().After(c.trouble.destAgain)
}

// destWorks notes that dest took bytes of the source.
func (c *Clone) destWorks() {
	if !c.full.CompareAndSwap(true, false) {
		return
	}
	c.resume(func(t *trouble) { t.dest, t.destWait = nil, 0 })
}

// corrupt is what is known of damage that was found in an earlier life.
func (c *Clone) corrupt() error {
	return fmt.Errorf("%w: delete %s and %s, and clone again", ErrCorrupt, c.target.Name(), c.store.Name())
}

// doubted is why the clone never becomes complete, nil when it can.
func (c *Clone) doubted() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	if h := c.trouble.doubt; h != nil {
		return h
	}
	return nil
}

// damaged notes, for good, that some of the bytes in dest are not the source's, so that the clone
// never becomes a plain file.
func (c *Clone) damaged(why error) {
	begun := c.changeAndTell(func(t *trouble) bool {
		begun := t.doubt == nil
		t.doubt = &hindrance{ErrStalled, why}
		return begun
	}, Stall, why)
	if begun {
		c.changed.fire()
	}
}

// diskLow notes why the background leaves the rest of the disk alone, or with nil that there is
// room again.
func (c *Clone) diskLow(why error) {
	ended := false
	begun := c.changeAndTell(func(t *trouble) (begun bool) {
		begun, ended = t.low == nil && why != nil, t.low != nil && why == nil
		if t.low = nil; why != nil {
			t.low = &hindrance{ErrPaused, fmt.Errorf("disk is full: %s: %w; make room and it goes on", c.target.Name(), why)}
		}
		return begun
	}, DiskFull, why)
	if begun || ended {
		c.changed.fire()
	}
}
