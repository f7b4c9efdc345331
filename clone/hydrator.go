package clone

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
	"hydrant/source/limit"
)

// hydrator fetches in the background whatever nobody has asked for. One process of a clone has
// one. It begins at once and at full rate: connections adapt between these bounds, and while
// readers are kept waiting no more ranges are begun than the floor, so that it never starves.
const (
	firstConnections = 24
	mostConnections  = 64
	floorConnections = 1
	// shyConnections are begun at first while readers wait for the source, see politeness.
	shyConnections = 2
	// politeConnections are begun for the first moment: whoever opens a database asks it something.
	politeConnections = 4
	settle            = 25 * time.Millisecond
	beatPeriod        = 20 * time.Millisecond
	// cappedShare is what one connection is to bring of a bandwidth that is capped, bytes per second.
	cappedShare = 4 << 20
	adaptPeriod = 250 * time.Millisecond
	// spareBytes, or a hundredth of the disk if that is more, is left free.
	spareBytes = 64 << 20
)

type hydrator struct {
	c       *Clone
	limiter *limit.Limiter
	behind  *writeBehind
	knobs   uint64 // KnobGen that the limiter is of
	cursor  uint64 // where linear order goes on
	running int
	conns   int        // target when it adapts
	done    chan error // of a range
	hold    time.Time  // nothing is begun before
	began   time.Time
	backoff time.Duration
	polite  politeness

	// what adapting goes by
	lastBytes uint64
	lastTime  time.Time
	bestRate  float64
	beats     int
	raised    bool
}

// hydrate is the goroutine of the hydrator.
func (c *Clone) hydrate() {
	h := &hydrator{c: c, limiter: c.limiter, knobs: ^uint64(0),
		conns:  firstConnections,
		polite: politeness{level: shyConnections}, done: make(chan error, politeConnections)}
	h.behind = newWriteBehind(c)
	defer func() { // ranges under way end with c.ctx, or with their bytes
		for ; h.running > 0; h.running-- {
			<-h.done
		}
		h.behind.close()
		c.unlockFile(state.LockHydrator)
	}()
	if !h.elected() {
		return
	}
	c.awaitWarm()
	timer := time.NewTimer(0)
	defer timer.Stop()
	h.began = time.Now()
	h.lastTime, h.lastBytes = time.Now(), c.head().Fetched.Load()
	for c.ctx.Err() == nil && c.phase() == state.Live {
		h.begin()
		timer.Reset(h.period())
		select {
		case <-c.ctx.Done():
		case <-c.wake:
		case err := <-h.done:
			h.finished(err)
		case <-timer.C:
		}
		h.beat(time.Now())
	}
}

// elected waits until this process is the one that hydrates. Another's death is noticed within a
// second.
func (h *hydrator) elected() bool {
	for h.c.phase() == state.Live {
		ok, err := h.c.st.File.TryLock(state.LockHydrator, 1, true)
		if err == nil && ok {
			h.c.hydrates.Store(true)
			h.c.head().HydPID.Store(uint64(os.Getpid()))
			h.c.head().HydBeat.Store(uint64(time.Now().UnixNano()))
			h.c.posts.takeOver()
			return true
		}
		if sleep(h.c.ctx, time.Second) != nil {
			return false
		}
	}
	return false
}

// begin starts as many ranges as are allowed now.
func (h *hydrator) begin() {
	c := h.c
	if gen := h.c.head().KnobGen.Load(); gen != h.knobs {
		h.knobs = gen
		h.limiter.SetBandwidth(int64(h.c.head().Bandwidth.Load()))
	}
	if !h.allowed() {
		return
	}
	for h.running < h.target() && h.room() {
		f := h.pick()
		if f == nil {
			return
		}
		h.running++
		go func() { h.done <- c.guard(func() error { return h.fetch(f) }) }()
	}
}

// allowed tells whether ranges may be begun at all.
func (h *hydrator) allowed() bool {
	c := h.c
	c.show() // of all processes', this one's view is what counts
	switch {
	case c.head().Hydration.Load() == 0:
		return false
	case c.full.Load() && !c.destDue():
		return false
	case c.stalled() != nil || c.mode() != state.ReadWrite || time.Now().Before(h.hold):
		return false
	}
	return true
}

// room tells whether the disk has room for one range more. Without any under way, and none for the
// next, the disk is full.
func (h *hydrator) room() bool {
	c := h.c
	err := c.spare(min(int64(h.running+1)*h.batch(), c.missing.Load()<<c.geo.shift))
	if err != nil && h.running > 0 {
		return false
	}
	c.diskLow(err)
	return err == nil
}

// spare tells why there is no room for n bytes more on the disk, beside what is left to others.
func (c *Clone) spare(n int64) error {
	s, ok := dest.As[dest.Spacer](c.dst)
	if !ok {
		return nil
	}
	free, total, err := s.Space()
	if err != nil {
		return nil
	}
	if left := max(int64(spareBytes), total/100); free < left+n {
		return fmt.Errorf("%d MiB free, %d MiB are left alone", free>>20, left>>20)
	}
	return nil
}

func (h *hydrator) batch() int64 { return int64(h.c.head().Batch.Load()) }

// period is how long it may take until the hydrator looks again by itself.
func (h *hydrator) period() time.Duration {
	if h.running > 0 && h.running < h.full() {
		return beatPeriod // it is being polite
	}
	return adaptPeriod
}

// full is how many ranges to have in flight when nobody is in a hurry. A bandwidth that is capped
// needs few: each more is one more that is under way for long.
func (h *hydrator) full() int {
	if n := int(h.c.head().Connections.Load()); n > 0 {
		return n
	}
	if limit := h.c.head().Bandwidth.Load(); limit > 0 {
		return int(min(uint64(h.conns), 1+limit/cappedShare))
	}
	return h.conns
}

// target is how many ranges to have in flight.
func (h *hydrator) target() int {
	h.polite.look(h.c.pace, h.full())
	switch {
	case h.c.full.Load():
		return floorConnections // to see whether dest works again
	case h.c.demands.active():
		return min(h.full(), h.polite.level)
	case h.c.early.large() || time.Since(h.began) < settle:
		return min(h.full(), politeConnections)
	}
	return h.full()
}

// politeness is how many ranges are in flight while readers wait for the source: more by the
// reader, for as long as they wait no longer for that, and half when they do.
type politeness struct {
	level int
	seen  uint64 // readers
}

func (p *politeness) look(pace *pace, full int) {
	readers, pressed := pace.readers()
	switch {
	case readers == p.seen:
	case pressed:
		p.level = max(p.level/2, floorConnections)
	default:
		p.level = min(p.level+1, max(full, floorConnections))
	}
	p.seen = readers
}

// pick returns the next range: the neighbourhood of the last read, then linear, but for what nobody
// will read, which comes last. nil when all that is cold is being fetched.
func (h *hydrator) pick() *flight {
	c := h.c
	if hint := c.takeHint(); hint < c.geo.count {
		if f := h.around(hint, c.geo.count); f != nil {
			return f
		}
	}
	last := c.fetchedLast()
	if f := h.linear(last); f != nil {
		return f
	}
	for _, s := range last {
		for s = c.coldIn(s); !s.empty(); s = c.coldIn(span{s.lo + 1, s.hi}) {
			if f := h.around(s.lo, s.hi); f != nil {
				return f
			}
		}
	}
	return nil
}

// linear is pick without hints and without the regions in last, spans in their order.
func (h *hydrator) linear(last []span) *flight {
	c := h.c
	for wrapped := false; ; {
		r, ok := c.hydrated().NextClear(h.cursor, c.geo.count)
		i, _ := slices.BinarySearchFunc(last, r, func(s span, r uint64) int { return cmp.Compare(s.hi, r+1) })
		switch {
		case !ok:
			h.cursor = c.geo.count
		case i < len(last) && last[i].contains(r):
			h.cursor = last[i].hi
		default:
			hi := c.geo.count
			if i < len(last) {
				hi = last[i].lo
			}
			if f := h.around(r, hi); f != nil {
				h.cursor = f.hi
				return f
			}
			// r is on its way, or local by a bit that is still to come.
			h.cursor = max(c.flights.after(r), c.posts.after(r), r+1)
		}
		if h.cursor >= c.geo.count {
			if wrapped {
				return nil
			}
			h.cursor, wrapped = 0, true
		}
	}
}

// around is a new flight from cold region r on, to the next multiple of the batch, or to hi.
func (h *hydrator) around(r, hi uint64) *flight {
	c := h.c
	if c.local(r) {
		c.settle(r)
		return nil
	}
	s := c.geo.align(span{r, r + 1}, h.batch())
	f, fresh := c.flights.join(span{r, min(s.hi, hi)}, r, false, c.coldAround)
	if !fresh {
		return nil
	}
	if !c.post(f) {
		c.flights.remove(f)
		f.end(errGrounded)
		return nil
	}
	return f
}

// fetch runs one range, and has what it writes written back.
func (h *hydrator) fetch(f *flight) error {
	off, n := h.c.geo.bytes(f.span)
	t := &trail{w: h.behind, next: off, end: off + n}
	return h.c.fly(f, func(src source.Source) source.Source { return limit.New(src, h.limiter) },
		func(next uint64) error { return t.upTo(h.c.ctx, h.c.geo.start(next)) })
}

// finished notes how a range ended. Errors that may go away slow the background down.
func (h *hydrator) finished(err error) {
	h.running--
	if err == nil {
		h.backoff = 0
		return
	}
	if time.Now().Before(h.hold) {
		return // one of many that failed together
	}
	if errors.Is(err, errGrounded) {
		h.hold = time.Now().Add(patience)
		return
	}
	if source.KindOf(err) == source.Final {
		return // stalled, or closed
	}
	if source.KindOf(err) == source.Throttled {
		h.conns = max(h.conns/2, floorConnections)
	}
	h.backoff = min(max(2*h.backoff, 250*time.Millisecond), 30*time.Second)
	h.hold = time.Now().Add(max(h.backoff, source.RetryAfter(err)))
}

// beat is what the hydrator does four times a second (and is called more often): say that it lives,
// measure, adapt.
func (h *hydrator) beat(now time.Time) {
	sec := now.Sub(h.lastTime).Seconds()
	if sec < adaptPeriod.Seconds() {
		return
	}
	head := h.c.head()
	head.HydBeat.Store(uint64(now.UnixNano()))
	h.c.posts.renew()
	bytes := head.Fetched.Load()
	r := float64(bytes-h.lastBytes) / sec
	h.lastBytes, h.lastTime = bytes, now
	// An average over about three seconds, and at first over what there is.
	h.beats++
	weight := max(1/float64(h.beats), 0.08)
	head.Rate.Store(uint64((1-weight)*float64(head.Rate.Load()) + weight*r))
	h.adapt(r)
}

// adapt raises the number of connections for as long as that raises the rate.
func (h *hydrator) adapt(r float64) {
	switch {
	case h.running < h.conns:
		return // not what holds the rate down
	case r > 1.05*h.bestRate:
		h.bestRate = r
		h.conns = min(h.conns+8, mostConnections)
		h.raised = true
	case h.raised && r < 0.95*h.bestRate:
		h.conns = max(h.conns-8, firstConnections)
		h.raised = false
	}
}

// hint is where the background should look first: near what was read last.
type hint struct {
	mu     sync.Mutex // guards region
	region uint64
	set    bool
}

func (c *Clone) giveHint(r uint64) {
	c.hint.mu.Lock()
	defer c.hint.mu.Unlock()
	c.hint.region, c.hint.set = r, true
}

// takeHint returns a region past the end when there is no hint.
func (c *Clone) takeHint() uint64 {
	c.hint.mu.Lock()
	defer c.hint.mu.Unlock()
	if !c.hint.set {
		return c.geo.count
	}
	c.hint.set = false
	return c.hint.region
}
