package state

import (
	"fmt"

	"hydrant/clone/trace"
)

// TraceSlot is one of the places for a trace, behind the log.
type TraceSlot int

// The slots.
const (
	// Recorded is what the users of the clone have wanted so far.
	Recorded TraceSlot = iota
	// Given is what others are known to have wanted: what lay beside the source, or was imported.
	Given
	numTraces
)

// TraceRoom is how many bytes a state file may be longer than its layout says. There is nothing until
// somebody writes it, and whatever is there may be cut off, torn or damaged: then there is no trace.
const TraceRoom = int64(numTraces) * trace.MaxEncoded

func (l Layout) traceOff(s TraceSlot) int64 { return l.FileSize + int64(s)*trace.MaxEncoded }

// ReadTrace returns what is in a slot, nil for nothing that can be read. It may be called at any
// time; while somebody writes there may seem to be nothing.
func ReadTrace(f File, l Layout, s TraceSlot) *trace.Trace {
	size, err := f.Size()
	if err != nil {
		return nil
	}
	head := make([]byte, trace.HeaderSize)
	off := l.traceOff(s)
	if off+int64(len(head)) > size {
		return nil
	}
	if _, err := f.ReadAt(head, off); err != nil {
		return nil
	}
	n, ok := trace.Length(head)
	if !ok || off+int64(n) > size {
		return nil
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return nil
	}
	t, err := trace.Decode(b)
	if err != nil {
		return nil
	}
	return t
}

// WriteTrace puts t into a slot. Needs LockTrace. It is not synced: its loss does no harm.
func WriteTrace(f File, l Layout, s TraceSlot, t *trace.Trace) error {
	size, err := f.Size()
	if err == nil && size < l.FileSize {
		err = fmt.Errorf("%w: cut to %d bytes", ErrDamaged, size) // and not made longer again: see Load
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(t.Encode(), l.traceOff(s))
	return err
}
