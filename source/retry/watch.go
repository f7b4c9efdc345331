package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hydrant/source"
)

var errStalled = errors.New("the server has gone silent")

// watchdog ends the ctx of one try when nothing arrives for too long. It is armed only while a
// call is under way: a caller that reads slowly is no fault of the server.
type watchdog struct {
	ctx    context.Context
	caller context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer // nil: no bound
}

func watch(caller context.Context, stall time.Duration) *watchdog {
	w := &watchdog{caller: caller, stall: stall}
	w.ctx, w.cancel = context.WithCancelCause(caller)
	if stall > 0 {
		w.timer = time.AfterFunc(stall, func() { w.cancel(errStalled) })
		w.timer.Stop()
	}
	return w
}

func (w *watchdog) arm() {
	if w.timer != nil {
		w.timer.Reset(w.stall)
	}
}

func (w *watchdog) disarm() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *watchdog) end() {
	w.disarm()
	w.cancel(nil)
}

// explain makes a transient error of one that comes from the watchdog.
func (w *watchdog) explain(err error) error {
	if err == nil || w.caller.Err() != nil || context.Cause(w.ctx) != errStalled {
		return err
	}
	return source.WithKind(fmt.Errorf("%w: nothing for %v", errStalled, w.stall), source.Transient)
}
