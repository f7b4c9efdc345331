package clone

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"hydrant/clone/state"
	"hydrant/dest"
)

// watcher looks at the maps each time dest is written.
type watcher struct {
	dest.Target

	mu   sync.Mutex // guards the rest
	c    *Clone     // nil: do not look
	seen []string
}

func (w *watcher) look(c *Clone) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c = c
}

type watchedDest struct {
	dest.Dest
	w *watcher
}

func (w *watcher) Open() (dest.Dest, error) {
	d, err := w.Target.Open()
	return &watchedDest{d, w}, err
}

func (d *watchedDest) WriteAt(p []byte, off int64) (int, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.c != nil {
		region := w.c.geo.region(off)
		bits := ""
		for m, name := range map[state.Map]string{state.Hydrated: "h", state.Written: "w", state.Dirty: "d"} {
			if w.c.maps()[m].Test(region) {
				bits += name
			}
		}
		b := []byte(bits)
		slices.Sort(b)
		w.seen = append(w.seen, string(b))
	}
	return d.Dest.WriteAt(p, off)
}

// The bits of what is written come after the bytes where a region was cold, and before them where
// it was local; in the end all are there.
func TestBitsOfWhatIsWritten(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name  string
		local bool // the region is hydrated before
		do    func(c *Clone, off int64) error
		seen  []string // bits at each write to dest
	}{
		{"whole, cold", false, func(c *Clone, off int64) error { return second(c.WriteAt(ctx, fill('a', 512), off)) }, []string{""}},
		{"whole, local", true, func(c *Clone, off int64) error { return second(c.WriteAt(ctx, fill('a', 512), off)) }, []string{"dhw"}},
		{"part, cold", false, func(c *Clone, off int64) error { return second(c.WriteAt(ctx, fill('a', 5), off)) }, []string{"", "dhw"}},
		{"part, local", true, func(c *Clone, off int64) error { return second(c.WriteAt(ctx, fill('a', 5), off)) }, []string{"dhw"}},
		{"discard, cold", false, func(c *Clone, off int64) error { return c.Discard(ctx, off, 512) }, []string{""}},
		{"discard, local", true, func(c *Clone, off int64) error { return c.Discard(ctx, off, 512) }, []string{"dhw"}},
		{"overwrite that finds it local", true, func(c *Clone, off int64) error {
			r := c.geo.region(off)
			return second(c.overwrite(ctx, fill('a', 512), off, span{r, r + 1}))
		}, []string{"dhw"}},
	} {
		// the last region, so that no neighbour is fetched along with it
		const off = 70_144
		r := newRig(t, off+512, quiet, keep)
		w := &watcher{Target: r.dst}
		r.dst = w
		r.opts.Quiesce = func(context.Context, func() error) error { return errors.New("never") }
		r.open()
		for region := r.c.geo.region(headBytes); region < r.c.geo.region(off); region++ {
			r.c.hydrated().Set(region, region+1) // as if
		}
		if tt.local {
			if err := r.c.Hydrate(ctx, off, 512); err != nil {
				t.Fatal(err)
			}
		}
		before := r.c.head().Marks.Load()
		w.look(r.c)
		if err := tt.do(r.c, off); err != nil {
			t.Fatal(err)
		}
		w.look(nil)
		if !slices.Equal(w.seen, tt.seen) {
			t.Errorf("%s: dest was written with bits %q set, want %q", tt.name, w.seen, tt.seen)
		}
		region := r.c.geo.region(off)
		for m, bits := range r.c.maps() {
			if !bits.Test(region) {
				t.Errorf("%s: no bit in map %d", tt.name, m)
			}
		}
		if r.c.head().Marks.Load() == before {
			t.Errorf("%s: no mark that there is something to sync", tt.name)
		}
		kill(r.c)
	}
}
