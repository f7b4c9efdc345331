package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"hydrant/clone"
	"hydrant/internal/units"
)

// hydration fills a clone before the user's eyes: the work of clone and of hydrate.
type hydration struct {
	t    *terminal
	path string
	open func(context.Context) (*clone.Clone, error)

	bar   progress
	start time.Time
}

// refresh is how often the screen is told.
const refresh = 100 * time.Millisecond

// run returns when the clone is complete, or when the user has had enough: then all that was
// fetched is kept, and the error says how to go on.
func (h *hydration) run(ctx context.Context) error {
	ctx, done := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer done()
	context.AfterFunc(ctx, done) // a second ^C ends it without ceremony
	suspend := make(chan os.Signal, 1)
	if len(suspendSignals) > 0 {
		signal.Notify(suspend, suspendSignals...)
	}
	defer signal.Stop(suspend)

	h.start = time.Now()
	h.bar = newProgress(h.t.err, h.path)
	var before clone.Status
	for opened := false; ; opened = true {
		last, suspended, err := h.once(ctx, suspend)
		h.bar.clear()
		switch {
		case suspended && err == nil:
			before = last
			stopUntilContinued()
		case opened && errors.Is(err, clone.ErrPlain): // another process completed it meanwhile
			return h.report(before)
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("%s: interrupted at %.1f %%; go on with: hydrant hydrate %s", h.path, last.Percent(), h.path)
		case err != nil:
			return err
		default:
			return h.report(last)
		}
	}
}

// once opens the clone and hydrates it until it is complete, ctx ends, or somebody wants the
// process to stop for a while: a process that is stopped must not hold locks that others wait for.
func (h *hydration) once(ctx context.Context, suspend <-chan os.Signal) (last clone.Status, suspended bool, err error) {
	c, err := h.open(ctx)
	if err != nil {
		return last, false, err
	}
	defer func() {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wait := make(chan error, 1)
	go func() { wait <- c.Wait(ctx) }()
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		h.bar.show(momentOf(c.Status()))
		select {
		case err := <-wait:
			return c.Status(), false, err
		case <-suspend:
			cancel()
			<-wait
			return c.Status(), true, nil
		case <-tick.C:
		}
	}
}

func momentOf(s clone.Status) moment {
	m := moment{
		percent: s.Percent(),
		done:    min(int64(s.RegionsHydrated)*s.RegionSize, s.Size),
		total:   s.Size,
		rate:    s.Rate,
		eta:     s.ETA,
	}
	switch {
	case s.State == clone.StateStalled, s.State == clone.StatePaused:
		m.note = s.State
	case s.State == clone.StateHydrating && s.RegionsHydrated == s.RegionsTotal:
		m.note = "all is here"
	default:
		return m
	}
	if s.Error != "" {
		m.note += ": " + oneLine(s.Error)
	}
	return m
}

// report says what came of it, after Close: by then the clone may be an ordinary file.
func (h *hydration) report(last clone.Status) error {
	now, err := inspect(h.path)
	if err != nil {
		return err
	}
	end := "complete, kept as a clone"
	if now.State == clone.StateDetached {
		end = "complete, an ordinary file from now on"
	}
	return printf(h.t, "%s: %s: %s in %s, %d requests for %s\n", h.path, end, units.FormatSize(now.Size),
		formatElapsed(time.Since(h.start)), last.Requests, units.FormatSize(int64(last.BytesFetched)))
}
