package clone

import (
	"errors"
	"fmt"
	"io/fs"

	"hydrant/clone/state"
	"hydrant/dest"
)

// atPath is what belongs to the clone at path.
func atPath(path string) (dest.Target, state.Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, nil, err
	}
	return dest.File(path), state.PathStore(path, 0), nil
}

// alone runs f on the state file, with the attach lock held exclusively; for a plain file there is
// nothing to do, and it is not run. ErrBusy while any process has the clone open.
func (o *opening) alone(f func(state.File) error) error {
	file, err := o.store.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return o.plain()
	}
	if err != nil {
		return fmt.Errorf("open state file %s: %w", o.store.Name(), denied(err))
	}
	err = o.takeAlone(file)
	if err == nil {
		err = whileMapped(o.store.Name(), func() error { return f(file) })
		o.abandon()
	}
	return errors.Join(err, file.Close())
}

func (o *opening) takeAlone(file state.File) error {
	ok, err := file.TryLock(state.LockAttach, 1, true)
	if err != nil {
		return err
	}
	if !ok {
		return inUse(o.dst.Name(), file)
	}
	if ok, err = file.Current(); err == nil && !ok {
		err = fmt.Errorf("%s: %w: it was replaced just now; try again", o.store.Name(), ErrBusy)
	}
	return err
}

// plain tells what is wrong with dest where there is no state file: nil for a plain file.
func (o *opening) plain() error {
	d, err := openFront(o.dst)
	if err != nil {
		return err
	}
	front, err := readFront(d)
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("read %s: %w", o.dst.Name(), err)
	}
	if state.IsGuard(front) {
		return orphan(o.dst.Name(), o.store.Name())
	}
	return nil
}
