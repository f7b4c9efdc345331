package faultio_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"hydrant/dest"
	"hydrant/dest/desttest"
	"hydrant/internal/faultio"
)

// TestNoFault checks that without a fault the wrapper is not there.
func TestNoFault(t *testing.T) {
	desttest.Run(t, func(*testing.T) dest.Target {
		return faultio.WrapTarget(dest.Memory(), faultio.New())
	})
}

func TestWhichFail(t *testing.T) {
	ops := []faultio.Op{faultio.Write, faultio.Sync, faultio.Write, faultio.Write, faultio.Sync}
	for _, c := range []struct {
		fault faultio.Fault
		want  []int // which of ops fail, from 0
		words string
	}{
		{faultio.Fault{}, nil, "no fault"},
		{faultio.Fault{K: 1}, []int{0}, "1st operation: input/output error"},
		{faultio.Fault{K: 4, Sticky: true}, []int{3, 4}, "4th operation and on: input/output error"},
		{faultio.Fault{Op: faultio.Sync, K: 2}, []int{4}, "2nd sync: input/output error"},
		{
			faultio.Fault{Op: faultio.Write, K: 2, Sticky: true, Err: syscall.ENOSPC},
			[]int{2, 3}, "2nd write and on: no space left on device",
		},
		{
			faultio.Fault{Op: faultio.Write, K: 13, Short: true},
			nil, "13th write: input/output error, after half of it",
		},
	} {
		t.Run(c.words, func(t *testing.T) {
			if got := c.fault.String(); got != c.words {
				t.Errorf("it calls itself %q", got)
			}
			i := faultio.New(c.fault)
			var got []int
			for n, op := range ops {
				if i.Do(op) != nil {
					got = append(got, n)
				}
			}
			if !slices.Equal(got, c.want) || i.Hits() != len(c.want) {
				t.Errorf("failed: %v, hits %d, want %v", got, i.Hits(), c.want)
			}
			if i.Count(faultio.Any) != 5 || i.Count(faultio.Write) != 3 || i.Count(faultio.Sync) != 2 {
				t.Error("counted wrong")
			}
		})
	}
}

func empty(dest.Dest) error { return nil }

// TestSweep is the loop of the package comment, over operations of every kind.
func TestSweep(t *testing.T) {
	run := func(faults *faultio.Injector) error {
		target := faultio.WrapTarget(dest.Memory(), faults)
		if err := target.Create(empty); err != nil {
			return err
		}
		d, err := target.Open()
		if err != nil {
			return err
		}
		defer d.Close()
		if _, err := d.WriteAt([]byte("abcd"), 0); err != nil {
			return err
		}
		if _, err := d.ReadAt(make([]byte, 4), 0); err != nil {
			return err
		}
		p, _ := dest.As[dest.Puncher](d)
		w, _ := dest.As[dest.WriteBehind](d)
		if err := p.Punch(0, 2); err != nil {
			return err
		}
		if err := w.AwaitWrite(0, 4); err != nil {
			return err
		}
		if err := d.Truncate(1); err != nil {
			return err
		}
		if _, err := d.Size(); err != nil {
			return err
		}
		return d.Sync()
	}
	none := faultio.New()
	if err := run(none); err != nil {
		t.Fatal(err)
	}
	if n := none.Count(faultio.Any); n != 9 {
		t.Errorf("%d operations, want 9", n)
	}
	for k := range none.Count(faultio.Any) {
		err := run(faultio.New(faultio.Fault{K: k + 1, Err: syscall.ENOSPC}))
		if !errors.Is(err, syscall.ENOSPC) || !faultio.Injected(err) {
			t.Errorf("operation %d: %v", k+1, err)
		}
	}
}

func TestShort(t *testing.T) {
	faults := faultio.New(faultio.Fault{Op: faultio.Write, K: 1, Short: true, Err: syscall.ENOSPC})
	target := faultio.WrapTarget(dest.Memory(), faults)
	if err := target.Create(empty); err != nil {
		t.Fatal(err)
	}
	d, err := target.Open()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("short write: %d, %v", n, err)
	}
	if size, err := d.Size(); size != 2 || err != nil {
		t.Errorf("size %d, %v, want the half that was written", size, err)
	}
}
