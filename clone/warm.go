package clone

import (
	"context"
	"errors"
	"sync"
	"time"

	"hydrant/clone/state"
	"hydrant/clone/trace"
	"hydrant/source"
)

const (
	// guessTimeout bounds how long a published trace is waited for: nobody waits, but a request that
	// is never answered should end before the clone is closed.
	guessTimeout = 5 * time.Second
	// warmBytes is how much of a trace is fetched ahead, and warmBytesOff how much where only what is
	// read is to be fetched. More than that is not what an application begins with.
	warmBytes    = 64 << 20
	warmBytesOff = 16 << 20
	// warmPause is for the first ranges to be on their way before the others come.
	warmPause = 2 * time.Millisecond
	// warmHold bounds how long the background waits for a trace, to leave to it what it names.
	warmHold = 2 * settle
	// keepFirst and keepMost are how long touches may be lost by a kill: at first, while they are worth
	// most, and later.
	keepFirst = time.Second
	keepMost  = 30 * time.Second
)

// warmFirst is how many ranges are asked for by themselves, before others: two thirds of what is fetched
// at once.
func warmFirst() int { return earlyConnections() * 2 / 3 }

// guess is a published trace on its way.
type guess struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it is there
	trace  *trace.Trace  // then: nil for none
	asked  bool          // a request was sent for it
}

// askForTrace asks for the trace that lies beside src. It does not wait. Whatever goes wrong with it,
// there is none then: most often there is not, and nobody has set it up to be there.
func askForTrace(src source.Source, timeout time.Duration) *guess {
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, guessTimeout))
	g := &guess{cancel: cancel, done: make(chan struct{})}
	s, ok := source.As[source.Sidecar](src)
	if !ok {
		close(g.done)
		return g
	}
	g.asked = true
	go func() {
		defer close(g.done)
		defer cancel()
		b, err := s.ReadBeside(ctx, trace.Suffix, trace.MaxEncoded)
		if err == nil {
			g.trace, _ = trace.Decode(b)
		}
	}()
	return g
}

// drop ends it and returns when it has ended, so that its source can be closed.
func (g *guess) drop() {
	if g != nil {
		g.cancel()
		<-g.done
	}
}

// warms tells whether this process is the one to fetch ahead what earlier runs wanted: it has made the
// clone, or found it alone, and mostly cold.
func (c *Clone) warms(made, alone bool) bool {
	return !c.opts.NoTrace && !c.opts.NoBackground && (made || alone && 2*c.countMissing() > c.geo.count)
}

// warm fetches ahead what earlier runs wanted: those that the state file knows of, or else those whose
// trace lies beside the source, which g, unless it is nil, has been asked for. It is a goroutine of the
// clone.
func (c *Clone) warm(g *guess) {
	begun := sync.OnceFunc(func() { close(c.warming) })
	defer begun()
	known := readTraces(c.st.File, c.st.Layout).All()
	if known == nil {
		if g == nil {
			g = askForTrace(c.src, c.timeout())
		}
		if g.asked {
			c.head().Requests.Add(1)
		}
		select {
		case <-g.done:
			known = g.trace
		case <-c.ctx.Done():
		}
	}
	g.drop()
	if known == nil {
		return
	}
	c.prefetchTrace(known, begun)
	if g != nil && g.trace != nil {
		// Kept for the next attach, and for whoever exports it. Without, that one asks again.
		_ = c.underTraceLock(func() error {
			return state.WriteTrace(c.st.File, c.st.Layout, state.Given, g.trace)
		})
	}
}

// prefetchTrace has fetched ahead what t names, and calls begun when the first of it is on its way.
func (c *Clone) prefetchTrace(t *trace.Trace, begun func()) {
	most := int64(warmBytes)
	if c.head().Hydration.Load() == 0 {
		most = warmBytesOff
	}
	t = t.Within(c.geo.size, most)
	ranges := make([]Range, len(t.Ranges))
	for i, r := range t.Ranges {
		ranges[i] = Range{Off: r.Off, Len: r.Len}
	}
	// Where more waits than can be asked for at once, what lies near together is asked for together, with
	// all that lies between. What is wanted first is not to wait for that.
	n := min(len(ranges), warmFirst())
	c.Prefetch(ranges[:n])
	if sleep(c.ctx, warmPause) != nil {
		return
	}
	begun()
	c.Prefetch(ranges[n:])
}

// awaitWarm waits for a trace that was asked for when the clone was opened, but not long: what the
// background has begun to fetch is in its hands, and comes in its order.
func (c *Clone) awaitWarm() {
	if c.warming == nil {
		return
	}
	timer := time.NewTimer(warmHold)
	defer timer.Stop()
	select {
	case <-c.warming:
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// keepTouches puts what was noted behind what the state file has. Whatever goes wrong, it is noted
// still, and lost with the process.
func (c *Clone) keepTouches() {
	if c.opts.NoTrace || c.detached.Load() || c.mode() != state.ReadWrite || !c.touches.pending() {
		return
	}
	fresh := c.touches.take()
	err := c.underTraceLock(func() error {
		all := state.ReadTrace(c.st.File, c.st.Layout, state.Recorded)
		if all == nil {
			all = &trace.Trace{Runs: 1}
		}
		all.Size = c.geo.size
		all.Ranges = append(all.Ranges, fresh.Within(c.geo.size, 0).Ranges...)
		return state.WriteTrace(c.st.File, c.st.Layout, state.Recorded, all)
	})
	if err != nil {
		c.touches.giveBack(fresh)
	}
}

// underTraceLock runs f if nobody else is at the traces just now, here or in another process.
func (c *Clone) underTraceLock(f func() error) error {
	c.traceMu.Lock()
	defer c.traceMu.Unlock()
	ok, err := c.st.File.TryLock(state.LockTrace, 1, true)
	if err != nil || !ok {
		return errors.Join(ErrBusy, err)
	}
	defer c.unlockFile(state.LockTrace)
	return f()
}

// Trace is what the users of the clone have wanted of it so far, in order, in all processes as far as
// they have said so; nil for nothing yet.
func (c *Clone) Trace() (t *trace.Trace, err error) {
	leave, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	c.keepTouches()
	return state.ReadTrace(c.st.File, c.st.Layout, state.Recorded), nil
}

// keepPace is when touches are to be put into the state file.
type keepPace struct {
	wait time.Duration
	next time.Time
}

func (p *keepPace) due(now time.Time) bool {
	if now.Before(p.next) {
		return false
	}
	p.wait = min(max(2*p.wait, keepFirst), keepMost)
	p.next = now.Add(p.wait)
	return true
}
