package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"hydrant/clone/state"
	"hydrant/clone/trace"
)

// Traces are what a state file knows of what runs have wanted.
type Traces struct {
	// Recorded is what the clone's own users have, nil for nothing.
	Recorded *trace.Trace
	// Given is what lay beside the source when the clone was made, or was imported, nil for nothing.
	Given *trace.Trace
}

// All is both in one, nil for nothing.
func (t Traces) All() *trace.Trace {
	if t.Recorded == nil && t.Given == nil {
		return nil
	}
	return trace.Merge(t.Given, t.Recorded)
}

func readTraces(f state.File, l state.Layout) Traces {
	return Traces{Recorded: state.ReadTrace(f, l, state.Recorded), Given: state.ReadTrace(f, l, state.Given)}
}

// ReadTraces returns the traces of the clone at path, which others may have open: what they wanted
// last is kept within half a minute. The error is ErrPlain when there is no state file.
func ReadTraces(path string) (t Traces, err error) {
	err = withState(path, (*state.FileStore).OpenReadOnly, func(st *state.State) error {
		t = readTraces(st.File, st.Layout)
		return nil
	})
	return t, err
}

// ImportTrace gives the clone at path a trace to begin with, in the place of one that it was given
// before: whoever opens it next fetches that ahead, if the clone is then mostly cold. The error is
// ErrPlain when there is no state file.
func ImportTrace(path string, t *trace.Trace) error {
	return withState(path, (*state.FileStore).Open, func(st *state.State) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := lockFile(ctx, st.File, state.LockTrace, true); err != nil {
			return err
		}
		return state.WriteTrace(st.File, st.Layout, state.Given, t)
	})
}

// withState calls f with the state of the clone at path, of which nothing is judged.
func withState(path string, open func(*state.FileStore) (state.File, error), f func(*state.State) error) error {
	path, err := resolve(path)
	if err != nil {
		return err
	}
	store := state.PathStore(path, 0)
	file, err := open(store)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrPlain)
	}
	if err != nil {
		return fmt.Errorf("open state file: %w", err)
	}
	st, err := state.Load(file)
	if err == nil {
		err = f(st)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", store.Name(), err)
	}
	return nil
}
