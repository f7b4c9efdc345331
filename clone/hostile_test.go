package clone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/source"
	"hydrant/source/http"
	"hydrant/source/s3"
)

const (
	hostileSize    = 512<<10 + 77
	hostileRegion  = 4096
	hostileTimeout = 600 * time.Millisecond
	// hangGuard is far more than anything here may take on a machine that is busy.
	hangGuard = 90 * time.Second
)

var hostileBlob = pattern.Blob{Seed: 101}

// siege is a clone of an object of a hostile server. Its first half is local.
type siege struct {
	*testing.T
	s       *s3test.Server
	c       *clone.Clone
	path    string
	want    []byte // what the clone is to read as
	resumed chan struct{}
}

func newSiege(t *testing.T, protocol string, timeout time.Duration) *siege {
	t.Helper()
	g := &siege{T: t, s: s3test.Start(t, s3test.Options{Anonymous: true}), resumed: make(chan struct{}, 100)}
	g.want = hostileBlob.Bytes(hostileSize)
	g.s.Put("b", "k", bytes.Clone(g.want))
	g.path = filepath.Join(t.TempDir(), "app.db")
	off, batch := false, int64(64<<10)
	opts := &clone.Options{RegionSize: hostileRegion, Keep: true,
		Knobs: clone.Knobs{Hydration: &off, Batch: &batch},
		OnEvent: func(e clone.Event) {
			if e.Kind == clone.Resumed {
				g.resumed <- struct{}{}
			}
		}}
	var err error
	g.c, err = clone.OpenPath(t.Context(), g.open(protocol), g.path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.c.Close() })
	if err := g.c.Hydrate(t.Context(), 0, hostileSize/2); err != nil {
		t.Fatal(err)
	}
	g.tune(clone.Knobs{Timeout: &timeout})
	return g
}

func (g *siege) tune(k clone.Knobs) {
	g.Helper()
	if err := g.c.Tune(k); err != nil {
		g.Fatal(err)
	}
}

func (g *siege) open(protocol string) source.Source {
	g.Helper()
	var src source.Source
	var err error
	if protocol == "s3" {
		src, err = s3.Open(g.Context(), g.s.Source("b", "k"), s3.Options{})
	} else {
		src, err = http.Open(g.s.URL()+"/b/k", http.Options{})
	}
	if err != nil {
		g.Fatal(err)
	}
	return src
}

// read reads n bytes at off. Whatever the source does, it returns in time, and never a wrong byte.
func (g *siege) read(off, n int64) error {
	g.Helper()
	p := make([]byte, n)
	done := make(chan struct{})
	var got int
	var err error
	go func() {
		got, err = g.c.ReadAt(context.Background(), p, off)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(hangGuard):
		g.Fatalf("a read of %d at %d hangs: %+v", n, off, g.c.Status())
	}
	if !bytes.Equal(p[:got], g.want[off:off+int64(got)]) {
		g.Errorf("wrong bytes in a read of %d at %d (%v)", n, off, err)
	}
	if err == nil && int64(got) != n {
		g.Errorf("%d of %d bytes at %d and no error", got, n, off)
	}
	return err
}

// local reads what is local, which no trouble of the source is any of.
func (g *siege) local(r *rand.Rand) {
	g.Helper()
	if err := g.read(r.Int64N(hostileSize/2-8000), 8000); err != nil {
		g.Errorf("local bytes: %v", err)
	}
}

// cold reads somewhere in the half that is not local. A failure is one of three.
func (g *siege) cold(r *rand.Rand) error {
	g.Helper()
	err := g.read(hostileSize/2+r.Int64N(hostileSize/2-8000), 8000)
	if err != nil && !errors.Is(err, clone.ErrStalled) && !errors.Is(err, clone.ErrTimeout) && source.KindOf(err) == source.Final {
		g.Errorf("a cold read failed with %v", err)
	}
	return err
}

// ends lets the clone become whole, and compares all of it, and the file itself.
func (g *siege) ends() {
	g.Helper()
	on, timeout := true, 10*time.Second
	g.tune(clone.Knobs{Hydration: &on, Timeout: &timeout})
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	defer cancel()
	for err := g.c.Wait(ctx); err != nil; err = g.c.Wait(ctx) {
		if ctx.Err() != nil {
			g.Fatalf("it does not end: %v; %+v", err, g.c.Status())
		}
		select {
		case <-g.resumed:
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := g.read(0, hostileSize); err != nil {
		g.Error(err)
	}
	if err := g.c.Close(); err != nil {
		g.Error(err)
	}
	if file, err := os.ReadFile(g.path); err != nil || !bytes.Equal(file, g.want) {
		g.Errorf("the file is not source plus writes (%v)", err)
	}
}

// aws points the SDK at servers of ours and at nothing else.
func aws(t *testing.T) {
	for key, value := range s3test.New(s3test.Options{}).Env() {
		t.Setenv(key, value)
	}
}

// atOnce runs each of the subtests, several of them at a time: most of their time is waiting.
func atOnce(t *testing.T, names []string, f func(t *testing.T, i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 20)
	for i, name := range names {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) { f(t, i) })
		})
	}
	wg.Wait()
}

// Under each hostility: never a wrong byte, no read without an end, local bytes as if nothing were.
// Trouble passes by itself. A lie stalls the clone, says why, and when it stops the clone goes on by
// itself.
func TestHostileSource(t *testing.T) {
	aws(t)
	all := s3test.Hostilities()
	for _, protocol := range []string{"s3", "http"} {
		var names []string
		for _, h := range all {
			names = append(names, protocol+"/"+h.Name)
		}
		atOnce(t, names, func(t *testing.T, i int) {
			h := all[i]
			g := newSiege(t, protocol, hostileTimeout)
			m := s3test.Match{Op: s3test.OpGetObject, Times: 4}
			if h.Lie {
				m.Times = 0
			}
			rule := g.s.Inject(m, h.Do...)
			defer rule.Release()
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 5))
					for range 4 {
						_ = g.cold(r)
						g.local(r)
					}
				})
			}
			wg.Wait()
			// A write of whole regions needs no source.
			line := bytes.Repeat([]byte("written\n"), hostileRegion/8)
			at := int64(hostileSize-hostileSize%hostileRegion) - 2*hostileRegion
			if _, err := g.c.WriteAt(t.Context(), line, at); err != nil {
				t.Errorf("write: %v", err)
			}
			copy(g.want[at:], line)
			if h.Lie {
				g.stalls()
			}
			if rule.Hits() == 0 {
				t.Error("nothing hostile has happened")
			}
			rule.Remove()
			g.ends()
		})
	}
}

// stalls checks that the clone is stalled, and says so.
func (g *siege) stalls() {
	g.Helper()
	timeout := hangGuard // a slow machine may take its time to see what is wrong with an answer
	g.tune(clone.Knobs{Timeout: &timeout})
	off := int64(hostileSize - hostileSize%hostileRegion)
	err := g.read(off, 10)
	for until := time.Now().Add(hangGuard); !errors.Is(err, clone.ErrStalled) && time.Now().Before(until); {
		err = g.read(off, 10)
	}
	if !errors.Is(err, clone.ErrStalled) {
		g.Fatalf("a cold read: %v; %+v", err, g.c.Status())
	}
	s := g.c.Status()
	if s.State != clone.StateStalled && s.State != clone.StatePaused || s.Error == "" || s.Mode != "rw" {
		g.Errorf("status %s, %s, %q", s.State, s.Mode, s.Error)
	}
	g.local(rand.New(rand.NewPCG(1, 1)))
}

// An object that was replaced stalls the clone, whatever happens to be under way; no byte of the new
// one is taken; and when the old one is back, so is the clone.
func TestReplacedSource(t *testing.T) {
	aws(t)
	names := []string{"s3/same size", "s3/shorter", "s3/gone", "http/same size", "http/shorter", "http/gone"}
	atOnce(t, names, func(t *testing.T, i int) {
		protocol := []string{"s3", "http"}[i/3]
		g := newSiege(t, protocol, hostileTimeout)
		old := bytes.Clone(g.want)
		replace := []func(){
			func() { g.s.Put("b", "k", pattern.Blob{Seed: 5}.Bytes(hostileSize)) },
			func() { g.s.Put("b", "k", old[:100]) },
			func() { g.s.Delete("b", "k") },
		}[i%3]
		// In the middle of a body that then breaks: what comes after it must not be of the new one.
		g.s.Inject(s3test.Match{Op: s3test.OpGetObject, Times: 1}, s3test.ResetAfter(10_000), s3test.Late(func(*rand.Rand) time.Duration {
			replace()
			return 0
		}))
		g.s.Put("b", "k", bytes.Clone(old))
		r := rand.New(rand.NewPCG(uint64(i), 7))
		for range 4 {
			_ = g.cold(r)
		}
		replace()
		g.stalls()
		want := []error{source.ErrChanged, source.ErrChanged, source.ErrNotFound}[i%3]
		if err := g.read(hostileSize-10, 10); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		g.s.Put("b", "k", bytes.Clone(old))
		g.ends()
	})
}

// A connection that falls silent is given up in time for another to answer the same read; one that
// yields a byte now and then is given up too, and the next read has a new one.
func TestSilentConnection(t *testing.T) {
	aws(t)
	atOnce(t, []string{"silent", "silent in the body", "a byte now and then"}, func(t *testing.T, i int) {
		g := newSiege(t, "s3", 6*time.Second)
		do := []s3test.Action{s3test.Stall(), s3test.StallAfter(10), s3test.Trickle(100 * time.Millisecond)}[i]
		rule := g.s.Inject(s3test.Match{Op: s3test.OpGetObject, Times: 1}, do)
		defer rule.Release()
		err := g.read(hostileSize-20_000, 100)
		if i < 2 && err != nil {
			t.Errorf("the read that met silence: %v", err)
		}
		if i == 2 && err != nil && !errors.Is(err, clone.ErrTimeout) {
			t.Errorf("the read that met a trickle: %v", err)
		}
		for range 3 { // the first of these may have come before the trickle was given up
			if err = g.read(hostileSize-20_000, 100); err == nil {
				break
			}
		}
		if err != nil || rule.Hits() != 1 {
			t.Errorf("the reads after it: %v, %d hits", err, rule.Hits())
		}
		g.ends()
	})
}

// Everything at once, by chance, while all of it is hydrated, read and written.
func TestHostileHydration(t *testing.T) {
	aws(t)
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("HYDRANT_SEED"); v != "" {
		fmt.Sscan(v, &seed)
	}
	t.Logf("HYDRANT_SEED=%d go test -run TestHostileHydration ./clone", seed)
	atOnce(t, []string{"s3", "http", "s3 again", "http again"}, func(t *testing.T, i int) {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		g := newSiege(t, []string{"s3", "http"}[i%2], hostileTimeout)
		for _, h := range s3test.Choose(r, 8, i >= 2) {
			m := s3test.Match{Op: s3test.OpGetObject, Probability: 0.15, Times: 10}
			if h.Lie {
				m.Times = 1 // each stalls the clone for a while, and probes of it meet the next
			}
			rule := g.s.Inject(m, h.Do...)
			defer rule.Release()
		}
		on := true
		g.tune(clone.Knobs{Hydration: &on})
		for k := range 20 {
			_ = g.cold(r)
			g.local(r)
			n := 1 + r.Int64N(10_000)
			at := r.Int64N(hostileSize - n)
			p := bytes.Repeat([]byte{byte(k)}, int(n))
			got, err := g.c.WriteAt(t.Context(), p, at)
			if err != nil && !errors.Is(err, clone.ErrStalled) && !errors.Is(err, clone.ErrTimeout) && source.KindOf(err) == source.Final {
				t.Errorf("write: %v", err)
			}
			copy(g.want[at:at+int64(got)], p)
		}
		g.ends()
	})
}
