package faultio

import (
	"errors"

	"hydrant/dest"
)

// Dest is a destination whose operations fail as the injector says. It has the powers
// dest.Puncher and dest.WriteBehind, and where the one inside has not it does what the contract
// says of their absence. The other powers are those of the one inside, and never fail.
type Dest struct {
	inner  dest.Dest
	faults *Injector
}

// Wrap returns d with faults. Both are required.
func Wrap(d dest.Dest, faults *Injector) *Dest { return &Dest{d, faults} }

// Unwrap returns the destination inside, without faults.
func (d *Dest) Unwrap() dest.Dest { return d.inner }

func (d *Dest) ReadAt(p []byte, off int64) (int, error) {
	return d.transfer(Read, d.inner.ReadAt, p, off)
}

func (d *Dest) WriteAt(p []byte, off int64) (int, error) {
	return d.transfer(Write, d.inner.WriteAt, p, off)
}

// transfer does a read or write, half of it, or nothing.
func (d *Dest) transfer(op Op, do func([]byte, int64) (int, error), p []byte, off int64) (int, error) {
	fault := d.faults.next(op)
	switch {
	case fault == nil:
		return do(p, off)
	case fault.Fault.Short:
		n, err := do(p[:len(p)/2], off)
		return n, errors.Join(fault, err)
	default:
		return 0, fault
	}
}

func (d *Dest) Truncate(size int64) error {
	return d.do(Truncate, func() error { return d.inner.Truncate(size) })
}

// Sync, when it fails, has not synced: what was written before may or may not survive.
func (d *Dest) Sync() error { return d.do(Sync, d.inner.Sync) }

func (d *Dest) Size() (size int64, err error) {
	err = d.do(Size, func() error { size, err = d.inner.Size(); return err })
	return size, err
}

// Close never fails by injection: there would be nobody left to close the inner one.
func (d *Dest) Close() error { return d.inner.Close() }

// Punch is errors.ErrUnsupported where the one inside is no dest.Puncher.
func (d *Dest) Punch(off, n int64) error {
	return d.do(Punch, func() error {
		if p, ok := dest.As[dest.Puncher](d.inner); ok {
			return p.Punch(off, n)
		}
		return errors.ErrUnsupported
	})
}

// TakeFrom is errors.ErrUnsupported where the one inside is no dest.Taker. It is a write.
func (d *Dest) TakeFrom(fd uintptr, off, n int64) error {
	if t, ok := dest.As[dest.Taker](d.inner); ok {
		return d.do(Write, func() error { return t.TakeFrom(fd, off, n) })
	}
	return errors.ErrUnsupported
}

func (d *Dest) AwaitWrite(off, n int64) error {
	return d.do(Await, func() error {
		if w, ok := dest.As[dest.WriteBehind](d.inner); ok {
			return w.AwaitWrite(off, n)
		}
		return nil
	})
}

func (d *Dest) do(op Op, f func() error) error {
	if err := d.faults.Do(op); err != nil {
		return err
	}
	return f()
}
