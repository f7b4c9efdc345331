package clone

import (
	"errors"
	"fmt"
	"math/bits"

	"hydrant/clone/state"
)

// Tune changes knobs, for every process of the clone, at once.
func (c *Clone) Tune(k Knobs) (err error) {
	if err := k.validate(); err != nil {
		return err
	}
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	k.apply(c.head())
	c.changed.fire()
	nudge(c.wake)
	return nil
}

// TunePath changes the knobs of the clone at path, which others may be using; they notice within a
// second. fs.ErrNotExist when there is no clone.
func TunePath(path string, k Knobs) error {
	if err := k.validate(); err != nil {
		return err
	}
	path, err := resolve(path)
	if err != nil {
		return err
	}
	store := state.PathStore(path, 0)
	f, err := store.Open()
	if err != nil {
		return fmt.Errorf("open state file: %w", denied(err))
	}
	err = whileMapped(store.Name(), func() error {
		st, err := state.Load(f)
		if err == nil {
			if st.Head.Format.Load() != state.Version {
				defaultKnobs(st.Head)
			}
			k.apply(st.Head)
		}
		return err
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", store.Name(), err)
	}
	return nil
}

func (k *Knobs) apply(h *state.Header) {
	if k.Hydration != nil {
		on := uint64(0)
		if *k.Hydration {
			on = 1
			h.Activity.CompareAndSwap(uint64(state.Paused), uint64(state.Hydrating))
		}
		h.Hydration.Store(on)
	}
	if k.Bandwidth != nil {
		h.Bandwidth.Store(uint64(*k.Bandwidth))
	}
	if k.Connections != nil {
		h.Connections.Store(uint64(*k.Connections))
	}
	if k.Batch != nil {
		h.Batch.Store(uint64(*k.Batch))
	}
	if k.Timeout != nil {
		h.Timeout.Store(uint64(*k.Timeout))
	}
	h.KnobGen.Add(1)
}

func ones(w uint64) uint64 { return uint64(bits.OnesCount64(w)) }
