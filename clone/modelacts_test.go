package clone

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"hydrant/clone/state"
)

// who is one of the processes, started if there is none.
func (s *machine) who() *process {
	if len(s.live) == 0 {
		s.attach(true)
	}
	if len(s.live) == 0 {
		s.mend()
	}
	return s.live[rapid.IntRange(0, len(s.live)-1).Draw(s.t, "who")]
}

func (s *machine) offset() int64 {
	most := min(s.m.nowSize.most+700, modelMost-3000)
	off := rapid.Int64Range(0, most).Draw(s.t, "off")
	switch rapid.IntRange(0, 5).Draw(s.t, "at") {
	case 0, 1:
		off = off / s.opts.RegionSize * s.opts.RegionSize
	case 2:
		off %= 20
	}
	return off
}

func (s *machine) read() {
	p, off, n := s.who(), s.offset(), rapid.IntRange(1, 3000).Draw(s.t, "n")
	if r := p.c.geo.region(off); off < p.c.geo.size && !p.c.local(r) {
		s.count.add("cold reads")
	}
	b, got := make([]byte, n), 0
	var ended bool
	err := s.call(p, "read", nil, func(ctx context.Context, c *Clone) (err error) {
		got, err = c.ReadAt(ctx, b, off)
		if ended = err == io.EOF; ended {
			err = nil
		}
		return err
	})
	if err == errOver {
		return
	}
	if bad := s.m.reads(b[:got], off); bad != nil {
		s.note("read %d at %d: %v", n, off, bad)
		s.wrong("read: %v", bad)
	}
	if end := off + int64(got); err == nil && (ended == (got == n) || got > 0 && end > s.m.nowSize.most ||
		ended && end < s.m.nowSize.least) {
		s.note("read %d at %d: %d bytes, end %v; size %v", n, off, got, ended, s.m.nowSize)
		s.wrong("read: the end is elsewhere")
	}
}

func (s *machine) write() {
	p, off := s.who(), s.offset()
	n := rapid.IntRange(1, 2500).Draw(s.t, "n")
	if rs := int(s.opts.RegionSize); rapid.Bool().Draw(s.t, "whole") {
		n = min(n/rs+1, 3000/rs) * rs
	}
	b := make([]byte, n)
	x := rapid.Byte().Draw(s.t, "b")
	for i := range b {
		b[i] = x + byte(i/512)
	}
	e := writeEdit(b, off)
	s.note("write %d at %d: %x...", n, off, b[0])
	s.call(p, "write", &e, func(ctx context.Context, c *Clone) error {
		_, err := c.WriteAt(ctx, b, off)
		return err
	})
}

func (s *machine) truncate() {
	p, to := s.who(), s.offset()
	if to < state.FirstBytes {
		s.m.edit(cutEdit(state.FirstBytes), false, false) // it goes by way of a file that is as long as the guard
		s.m.nowSize.least = min(s.m.nowSize.least, to)
	}
	e := cutEdit(to)
	s.note("truncate to %d", to)
	s.call(p, "truncate", &e, func(ctx context.Context, c *Clone) error { return c.Truncate(ctx, to) })
}

func (s *machine) discard() {
	p, off, n := s.who(), s.offset(), rapid.Int64Range(0, 4000).Draw(s.t, "n")
	end, err := p.c.Size()
	if err != nil {
		return // troubled
	}
	rs, size := s.opts.RegionSize, int64(len(s.content))
	lo, hi := (off+rs-1)/rs*rs, min(off+n, end)/rs*rs
	if off+n >= end && end <= size {
		hi = end
	}
	e := zeroEdit(lo, max(lo, hi))
	s.note("discard %d to %d", lo, hi)
	s.call(p, "discard", &e, func(ctx context.Context, c *Clone) error { return c.Discard(ctx, off, n) })
}

func (s *machine) sync() {
	if err := s.call(s.who(), "sync", nil, func(ctx context.Context, c *Clone) error { return c.Sync(ctx) }); err == nil {
		s.m.synced()
	}
}

// finish makes all local and, in half of the cases, a plain file.
func (s *machine) finish() {
	if rapid.Bool().Draw(s.t, "not now") {
		return
	}
	p := s.who()
	err := s.call(p, "complete", nil, func(ctx context.Context, c *Clone) error {
		err := c.Hydrate(ctx, 0, int64(len(s.content)))
		if err == nil {
			err = c.tryComplete(ctx, true)
		}
		return err
	})
	if err != nil || len(s.live) > 1 || rapid.Bool().Draw(s.t, "stays") {
		return
	}
	if s.call(p, "detach", nil, func(ctx context.Context, c *Clone) error { return c.Detach(ctx) }) == nil {
		s.shut(p)
	}
}

// shut closes a process's clone.
func (s *machine) shut(p *process) {
	err := s.call(p, "close", nil, func(_ context.Context, c *Clone) error { return c.Close() })
	if err == errOver {
		return
	}
	if err == nil && p.c.begunWritable {
		s.m.synced() // else there was nothing that this process could have synced
	}
	s.live = slices.DeleteFunc(s.live, func(q *process) bool { return p == q })
	if len(s.live) == 0 {
		s.attach(true)
	}
}

func (s *machine) tune() {
	k := Knobs{Hydration: new(rapid.Bool().Draw(s.t, "on"))}
	if rapid.Bool().Draw(s.t, "connections") {
		k.Connections = new(rapid.IntRange(0, 3).Draw(s.t, "n"))
	}
	s.call(s.who(), "tune", nil, func(_ context.Context, c *Clone) error { return c.Tune(k) })
}

func (s *machine) status() {
	p := s.who()
	s.call(p, "status", nil, func(_ context.Context, c *Clone) error {
		if st := c.Status(); st.RegionsHydrated > st.RegionsTotal || st.RegionsWritten > st.RegionsHydrated ||
			st.State != StateComplete && st.State != StateDetached && st.Percent() == 100 ||
			!s.troubled && (st.Mode != "rw" || st.State == StateStalled) {
			return fmt.Errorf("it is %+v", st)
		}
		return nil
	})
}

// actions are what may happen; what is twice in it happens twice as often.
func (s *machine) actions() map[string]func(*rapid.T) {
	acts := map[string]func(){
		"read": s.read, "read 2": s.read, "read 3": s.read,
		"write": s.write, "write 2": s.write, "write 3": s.write, "write 4": s.write,
		"truncate": s.truncate, "truncate 2": s.truncate, "discard": s.discard,
		"sync": s.sync, "sync 2": s.sync,
		"hydrate": func() {
			off := s.offset()
			s.call(s.who(), "hydrate", nil, func(ctx context.Context, c *Clone) error { return c.Hydrate(ctx, off, 1500) })
		},
		"tune": s.tune, "status": s.status, "finish": s.finish, "adopt": s.adopt,
		"join": func() {
			if s.who(); len(s.live) < 3 {
				s.attach(rapid.Bool().Draw(s.t, "quiet"))
			}
		},
		"shut": func() { s.shut(s.who()) },
		"kill one": func() {
			if p := s.who(); len(s.live) > 1 {
				s.count.add("kills of one")
				s.note("kill %d", p.name)
				kill(p.c)
				s.live = slices.DeleteFunc(s.live, func(q *process) bool { return p == q })
			}
		},
		"kill all": func() { disk, store := s.copies(); s.crash(disk, store, false, false) },
		"power":    func() { disk, store := s.copies(); s.crash(disk, store, true, false) },
		"fail":     s.fail,
		"mend": func() {
			if s.troubled {
				s.mend()
			}
		},
		"mend 2": func() {
			if s.troubled {
				s.mend()
			}
		},
	}
	all := map[string]func(*rapid.T){"": func(t *rapid.T) { s.t = t; s.check() }}
	for name, f := range acts {
		all[name] = func(t *rapid.T) {
			s.t = t
			if strings.HasPrefix(name, "adopt") {
				s.who()
			}
			f()
		}
	}
	return all
}
