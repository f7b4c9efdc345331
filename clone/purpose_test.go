package clone

import (
	"context"
	"io"
	"sync/atomic"
	"testing"

	"hydrant/source"
)

// purposes counts the ranges that somebody waits for, and those of the background.
type purposes struct {
	unclosed
	waited, background *atomic.Int64
}

func (p purposes) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if source.IsBackground(ctx) {
		p.background.Add(1)
	} else {
		p.waited.Add(1)
	}
	return p.unclosed.ReadRange(ctx, id, off, n)
}

// The source is told which requests nobody waits for.
func TestPurposes(t *testing.T) {
	const size = 2 * wholeFetch // smaller ones come with the opening
	run := func(use func(*rig), change ...func(*Options)) (waited, background int64) {
		r := newRig(t, size, change...)
		p := purposes{unclosed{r.src}, new(atomic.Int64), new(atomic.Int64)}
		c, err := Open(t.Context(), p, r.dst, r.store, &r.opts)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r.c = c
		use(r)
		return p.waited.Load(), p.background.Load()
	}
	if waited, background := run(func(r *rig) { r.read(size/2, 512) }, quiet); waited == 0 || background != 0 {
		t.Errorf("a reader: %d are said to be waited for, %d not", waited, background)
	}
	if waited, background := run((*rig).wait, keep); waited != 0 || background == 0 {
		t.Errorf("hydration: %d are said to be waited for, %d not", waited, background)
	}
}
