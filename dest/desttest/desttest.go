// Package desttest holds every dest.Target to the contracts of package dest.
package desttest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"hydrant/dest"
)

// Run tests the targets that newTarget returns, each of which must be new: nothing is there yet.
func Run(t *testing.T, newTarget func(t *testing.T) dest.Target) {
	for _, c := range []struct {
		name string
		test func(*testing.T, dest.Target)
	}{
		{"Create", testCreate},
		{"Creators", testCreators},
		{"Reopen", testReopen},
		{"Read", testRead},
		{"WritePastEnd", testWritePastEnd},
		{"Truncate", testTruncate},
		{"Punch", testPunch},
		{"WriteBehind", testWriteBehind},
		{"Powers", testPowers},
		{"Concurrent", testConcurrent},
		{"Close", testClose},
		{"Model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newTarget(t)) })
	}
}

func testCreate(t *testing.T, target dest.Target) {
	if target.Name() == "" {
		t.Error("a target without a name")
	}
	if d, err := target.Open(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Open of nothing: %v, %v, want fs.ErrNotExist", d, err)
	}
	nothing := func() {
		t.Helper()
		if d, err := target.Open(); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("Open of what is not whole: %v, %v, want fs.ErrNotExist", d, err)
		}
	}
	cut := errors.New("cut off")
	fill := func(d dest.Dest) error {
		wantSize(t, d, 0)
		write(t, d, "hello", 0)
		truncate(t, d, 7)
		nothing()
		return errors.Join(d.Sync(), cut)
	}
	if err := target.Create(fill); !errors.Is(err, cut) {
		t.Fatalf("Create that fails: %v", err)
	}
	nothing()
	cut = nil
	if err := target.Create(fill); err != nil {
		t.Fatal(err)
	}
	again := func(d dest.Dest) error { write(t, d, "other", 0); return nil }
	if err := target.Create(again); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second Create: %v, want fs.ErrExist", err)
	}
	wantContent(t, open(t, target), "hello\x00\x00")
}

// testCreators has several make it at once: one does, and what it made is there.
func testCreators(t *testing.T, target dest.Target) {
	var all sync.WaitGroup
	var made atomic.Int64
	for i := range 8 {
		all.Go(func() {
			err := target.Create(func(d dest.Dest) error {
				_, err := d.WriteAt([]byte{byte(i)}, 0)
				return errors.Join(err, d.Truncate(3), d.Sync())
			})
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			d, err := target.Open()
			if err != nil {
				t.Error(err)
				return
			}
			if size, err := d.Size(); size != 3 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if all.Wait(); made.Load() != 1 {
		t.Errorf("%d have made it", made.Load())
	}
}

// testReopen has two descriptors at a time, and then a new one.
func testReopen(t *testing.T, target dest.Target) {
	first := create(t, target)
	second := open(t, target)
	write(t, first, "hello", 0)
	wantContent(t, second, "hello")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, second, "J", 0)
	if err := second.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, open(t, target), "Jello")
}

func testRead(t *testing.T, target dest.Target) {
	d := create(t, target)
	write(t, d, "0123456789", 0)
	for _, c := range []struct {
		off, n int64
		want   string
		eof    bool // must be io.EOF; when all was read up to the end it may be
	}{
		{0, 10, "0123456789", false},
		{3, 4, "3456", false},
		{0, 0, "", false},
		{8, 4, "89", true},
		{0, 100, "0123456789", true},
		{10, 1, "", true},
		{1 << 40, 10, "", true},
	} {
		p := bytes.Repeat([]byte{'x'}, int(c.n))
		n, err := d.ReadAt(p, c.off)
		if string(p[:n]) != c.want {
			t.Errorf("ReadAt(%d bytes, %d) read %q, want %q", c.n, c.off, p[:n], c.want)
		}
		if c.eof != (err == io.EOF) || err != nil && err != io.EOF {
			t.Errorf("ReadAt(%d bytes, %d): error %v, want io.EOF: %v", c.n, c.off, err, c.eof)
		}
	}
	if n, err := d.ReadAt(make([]byte, 4), -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("ReadAt at -1: %d, %v", n, err)
	}
	if n, err := d.WriteAt(make([]byte, 4), -1); n != 0 || err == nil {
		t.Errorf("WriteAt at -1: %d, %v", n, err)
	}
}

func testWritePastEnd(t *testing.T, target dest.Target) {
	d := create(t, target)
	const far = 1 << 20
	write(t, d, "end", far)
	wantSize(t, d, far+3)
	want := make([]byte, far, far+3)
	wantContent(t, d, string(append(want, "end"...)))
	write(t, d, "", far*2)
	wantSize(t, d, far+3)
	write(t, d, "ENDED", far)
	wantSize(t, d, far+5)
}

func testTruncate(t *testing.T, target dest.Target) {
	d := create(t, target)
	write(t, d, "0123456789", 0)
	truncate(t, d, 4)
	wantContent(t, d, "0123")
	truncate(t, d, 8)
	wantContent(t, d, "0123\x00\x00\x00\x00")
	truncate(t, d, 0)
	wantContent(t, d, "")
	truncate(t, d, 100_000)
	wantContent(t, d, string(make([]byte, 100_000)))
	if err := d.Truncate(-1); err == nil {
		t.Error("Truncate to -1: no error")
	}
}

func testPunch(t *testing.T, target dest.Target) {
	d := create(t, target)
	p, ok := dest.As[dest.Puncher](d)
	if !ok {
		t.Skip("no dest.Puncher")
	}
	const size = 300 << 10
	want := bytes.Repeat([]byte{0xaa}, size)
	write(t, d, string(want), 0)
	for _, c := range [][2]int64{
		{4096, 8192},       // whole blocks
		{20_000, 100},      // within a block
		{30_000, 200_000},  // neither end on a boundary
		{5, 0},             // nothing
		{size - 10, 4096},  // past the end
		{size + 4096, 100}, // all past the end
	} {
		err := p.Punch(c[0], c[1])
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatalf("Punch(%d, %d): %v", c[0], c[1], err)
		}
		clear(want[min(c[0], size):min(c[0]+c[1], size)])
		wantContent(t, d, string(want))
	}
	truncate(t, d, size+8192)
	wantContent(t, d, string(append(want, make([]byte, 8192)...)))
}

func testWriteBehind(t *testing.T, target dest.Target) {
	d := create(t, target)
	w, ok := dest.As[dest.WriteBehind](d)
	if !ok {
		t.Skip("no dest.WriteBehind")
	}
	write(t, d, "some data", 0)
	for _, c := range [][2]int64{{0, 9}, {3, 0}, {0, 1 << 20}} {
		if err := w.AwaitWrite(c[0], c[1]); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("AwaitWrite(%d, %d): %v", c[0], c[1], err)
		}
	}
	if err := d.Sync(); err != nil {
		t.Error(err)
	}
}

func testPowers(t *testing.T, target dest.Target) {
	d := create(t, target)
	if s, ok := dest.As[dest.Spacer](d); ok {
		if free, total, err := s.Space(); err != nil || free < 0 || total <= 0 || free > total {
			t.Errorf("Space: %d of %d, %v", free, total, err)
		}
	}
	if s, ok := dest.As[dest.Stater](d); ok {
		write(t, d, "12345", 0)
		info, err := s.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != 5 || !info.Mode().IsRegular() || info.ModTime().IsZero() {
			t.Errorf("Stat: size %d, mode %v, time %v", info.Size(), info.Mode(), info.ModTime())
		}
	}
}

// testConcurrent has writers of neighbouring ranges, each of which reads its own back.
func testConcurrent(t *testing.T, target dest.Target) {
	const writers, rounds, size = 8, 20, 10_000
	d := create(t, target)
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			off := int64(g * size)
			for r := range rounds {
				want := bytes.Repeat([]byte{byte(g*rounds + r)}, size)
				if _, err := d.WriteAt(want, off); err != nil {
					t.Error(err)
					return
				}
				got := make([]byte, size)
				if n, err := d.ReadAt(got, off); n != size || !bytes.Equal(got, want) {
					t.Errorf("writer %d, round %d: read %d bytes, %v, not what was written", g, r, n, err)
					return
				}
				if r%5 == 0 {
					if err := d.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	wantSize(t, d, writers*size)
}

func testClose(t *testing.T, target dest.Target) {
	d := create(t, target)
	other := open(t, target)
	write(t, d, "kept", 0)
	for i := range 2 {
		if err := d.Close(); err != nil {
			t.Fatalf("Close number %d: %v", i+1, err)
		}
	}
	if n, err := d.ReadAt(make([]byte, 1), 0); err == nil {
		t.Errorf("ReadAt after Close read %d bytes", n)
	}
	if n, err := d.WriteAt([]byte("lost"), 0); err == nil {
		t.Errorf("WriteAt after Close wrote %d bytes", n)
	}
	for name, f := range map[string]func() error{
		"Truncate": func() error { return d.Truncate(0) },
		"Sync":     d.Sync,
		"Size":     func() error { _, err := d.Size(); return err },
	} {
		if f() == nil {
			t.Errorf("%s after Close: no error", name)
		}
	}
	wantContent(t, other, "kept")
}
