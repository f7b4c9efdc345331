package shim

/*
#include <stdlib.h>
#include "hydrantvfs.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"hydrant/clone"
	"hydrant/internal/units"
)

// query is what an SQL function or PRAGMA asks, of which database.
type query struct {
	engine *engine // nil: an ordinary file
	path   string  // of the database; "" when it did not come through us
	db     *C.sqlite3
	arg    *string // nil: none
	arg2   *string
}

// result is an answer: an int64, a float64 or a string, or an error.
type result struct {
	value any
	err   error
}

func (r result) fill(out *C.HydrantResult) {
	if r.err != nil {
		out.eType = C.HYDRANT_FAIL
		out.i = C.SQLITE_ERROR
		if errors.Is(r.err, errInterrupted) {
			out.i = C.SQLITE_INTERRUPT
		}
		out.z = C.CString(line(r.err))
		return
	}
	switch v := r.value.(type) {
	case int64:
		out.eType, out.i = C.HYDRANT_INT, C.sqlite3_int64(v)
	case float64:
		out.eType, out.r = C.HYDRANT_REAL, C.double(v)
	case string:
		out.eType, out.z = C.HYDRANT_TEXT, C.CString(v)
	}
}

func boolean(b bool) result {
	if b {
		return result{value: int64(1)}
	}
	return result{value: int64(0)}
}

// answer runs a command.
func answer(cmd C.int, q query) result {
	switch cmd {
	case C.HYDRANT_CMD_STATUS:
		return q.status()
	case C.HYDRANT_CMD_PROGRESS:
		s, err := q.state()
		return result{s.Percent(), err}
	case C.HYDRANT_CMD_WAIT:
		return q.wait()
	case C.HYDRANT_CMD_HYDRATE:
		return q.hydrate()
	case C.HYDRANT_CMD_SYNC:
		return result{value: int64(0)} // nothing is ever waiting for a replica that is not there
	case C.HYDRANT_CMD_TXID:
		return result{value: ""}
	case C.HYDRANT_CMD_DETACH:
		return q.detach()
	case C.HYDRANT_CMD_LAST_ERROR:
		return q.lastError()
	case C.HYDRANT_CMD_CLONE:
		return q.clone()
	case C.HYDRANT_CMD_DEFAULT:
		return q.makeDefault()
	}
	return result{err: errors.New("no such command")}
}

// state is how the database is doing. What is not a clone is local as a whole.
func (q *query) state() (clone.Status, error) {
	switch {
	case q.engine != nil:
		return q.engine.blob.Status(), nil
	case q.path != "":
		s, err := clone.Inspect(q.path)
		if err == nil && s.State == clone.StateDetached {
			return s, nil
		}
	}
	return clone.Status{State: clone.StateDetached, Mode: "rw"}, nil
}

func (q *query) status() result {
	s, err := q.state()
	if err != nil {
		return result{err: err}
	}
	b, err := json.Marshal(s)
	return result{string(b), err}
}

// cloneOf is the clone, nil for a plain database. What is never local is an error.
func (q *query) cloneOf(what string) (*clone.Clone, error) {
	if q.engine != nil && q.engine.clone == nil {
		return nil, fmt.Errorf("%s: %w: dest=memory keeps no copy", what, clone.ErrPaused)
	}
	if q.engine == nil {
		return nil, nil
	}
	return q.engine.clone, nil
}

// wait is 1 when the clone is complete, 0 when the time is over before.
func (q *query) wait() result {
	c, err := q.cloneOf("wait")
	if err != nil || c == nil || !c.Guarded() {
		return result{int64(1), err}
	}
	if C.hydrant_txn_state(q.db) != 0 {
		return result{err: errors.New("wait: not inside a transaction: completing the clone takes the database's own locks; end it first")}
	}
	ctx, stop := context.Background(), func() {}
	if q.arg != nil {
		d, err := units.ParseDuration(*q.arg)
		if err != nil {
			return result{err: fmt.Errorf("wait: %w", err)}
		}
		ctx, stop = context.WithTimeout(ctx, d)
	}
	if q.db != nil {
		ctx, stop = pollInterrupt(ctx, stop, q.db)
	}
	defer stop()
	err = c.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return boolean(false)
	}
	return result{int64(1), cause(ctx, err)}
}

// hydrate switches the background on and off, and says which it is.
func (q *query) hydrate() result {
	c, err := q.cloneOf("hydrate")
	if err != nil || c == nil {
		return result{int64(1), err}
	}
	if q.arg != nil {
		on, err := units.ParseSwitch(strings.Trim(*q.arg, "'\""))
		if err == nil {
			err = c.Tune(clone.Knobs{Hydration: &on})
		}
		if err != nil {
			return result{err: fmt.Errorf("hydrate: %w", err)}
		}
	}
	s := c.Status()
	return boolean(s.Hydration)
}

// detach is 1 when dest is a plain file from now on.
func (q *query) detach() result {
	c, err := q.cloneOf("detach")
	if err != nil || c == nil {
		return result{int64(1), err}
	}
	ctx, done := q.engine.wait(q.db)
	defer done()
	return result{int64(1), cause(ctx, c.Detach(ctx))}
}

// lastError is that of the database, and of the process for what is not a clone: there it says
// why one could not be opened.
func (q *query) lastError() result {
	if q.engine != nil {
		if s := q.engine.last.get(); s != "" {
			return result{value: s}
		}
	}
	return result{value: processError.get()}
}
