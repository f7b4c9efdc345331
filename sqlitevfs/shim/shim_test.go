package shim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hydrant/clone"
)

// uri yields the parameters of a URI as SQLite reads them: %HH is a byte, + is a plus.
func uri(query string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, kv := range strings.Split(query, "&") {
			k, v, _ := strings.Cut(kv, "=")
			key, _ := url.PathUnescape(k)
			value, _ := url.PathUnescape(v)
			if key != "" && !yield(key, value) {
				return
			}
		}
	}
}

func TestParseURI(t *testing.T) {
	p := parseURI(uri("vfs=hydrant&source=s3://b/k%3Fx%3D1&hydrate=off&bandwidth=20MB&connections=8&timeout=5s&region-size=16KiB&trust=boot&_x=1&cache=shared"))
	if p.wrong != nil || p.unsupported != nil {
		t.Fatal(p.wrong, p.unsupported)
	}
	if p.source != "s3://b/k?x=1" || *p.knobs.Hydration || *p.knobs.Bandwidth != 20e6 || *p.knobs.Connections != 8 ||
		*p.knobs.Timeout != 5*time.Second || p.regionSize != 16<<10 || !p.trustBoot || p.memory || p.immutable {
		t.Errorf("got %+v", p)
	}
	for query, says := range map[string]string{
		"bandwith=1": "bandwith", "bandwidth=fast": "bandwidth", "connections=x": "connections", "hydrate=maybe": "hydrate",
		"dest=disk": "dest", "trust=me": "trust", "timeout=-1": "timeout", "region-size=big": "region-size",
	} {
		if p := parseURI(uri(query)); p.wrong == nil || !strings.Contains(p.wrong.Error(), says) {
			t.Errorf("%s: %v", query, p.wrong)
		}
	}
	for _, query := range []string{"sync=1s", "sync=commit", "follow=on", "at=5", "replica=s3://x"} {
		if p := parseURI(uri(query)); p.unsupported == nil {
			t.Errorf("%s: no error", query)
		}
	}
	for _, query := range []string{"sync=off", "follow=0", "at=", "replica="} {
		if p := parseURI(uri(query)); p.unsupported != nil || p.wrong != nil {
			t.Errorf("%s: %v %v", query, p.unsupported, p.wrong)
		}
	}
}

// The URI goes before the environment.
func TestParseEnv(t *testing.T) {
	env := map[string]string{"HYDRANT_BANDWIDTH": "1MB", "HYDRANT_CONNECTIONS": "3", "HYDRANT_REGION_SIZE": "8KiB", "HYDRANT_SYNC": "1s"}
	pairs := uri("bandwidth=2MB")
	p := parseURI(pairs)
	p.parseEnv(pairs, func(k string) string { return env[k] })
	if *p.knobs.Bandwidth != 2e6 || *p.knobs.Connections != 3 || p.regionSize != 8<<10 || p.unsupported == nil {
		t.Errorf("got %+v", p)
	}
}

func TestEnvSource(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	env := map[string]string{"HYDRANT_DB": "a.db", "HYDRANT_SOURCE": "s3://b/k"}
	get := func(k string) string { return env[k] }
	if got := envSource(dir+"/a.db", get); got != "s3://b/k" {
		t.Errorf("got %q", got)
	}
	if got := envSource(dir+"/b.db", get); got != "" {
		t.Errorf("another path: %q", got)
	}
	delete(env, "HYDRANT_DB")
	if got := envSource(dir+"/a.db", get); got != "" {
		t.Errorf("one of both: %q", got)
	}
}

func FuzzFileURI(f *testing.F) {
	f.Add("/a b", "k", "v")
	f.Add("//h/a", "a&b=c", "x+y%41#?")
	f.Fuzz(func(t *testing.T, path, key, value string) {
		s := FileURI(path, Param{key, value})
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if strings.ContainsAny(s, " \t\n+;'\"") {
			t.Errorf("%q", s)
		}
		values, err := url.ParseQuery(u.RawQuery)
		if err != nil || values.Get(key) != value && key != "" {
			t.Errorf("%q: %v, %v", s, values, err)
		}
	})
}

func TestCanonical(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for address, want := range map[string]string{
		"a.db": "file://" + dir + "/a.db", "./x:y": "file://" + dir + "/x:y", "file:a%20b": "file://" + dir + "/a%20b",
		"s3://b/k": "s3://b/k", "https://h/a": "https://h/a",
	} {
		if got := canonical(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// Whatever fails, SQLite is told one of four things.
func TestResultCode(t *testing.T) {
	const read, write = 10 | 1<<8, 10 | 3<<8
	const full, nomem, interrupt = 13, 10 | 12<<8, 9
	for i, tt := range [][2]int{
		{int(resultCode(errors.New("x"), read)), read},
		{int(resultCode(io.ErrUnexpectedEOF, write)), write},
		{int(resultCode(fmt.Errorf("x: %w", syscall.ENOSPC), write)), full},
		{int(resultCode(fmt.Errorf("x: %w", syscall.EDQUOT), write)), full},
		{int(resultCode(fmt.Errorf("x: %w", syscall.ENOSPC), read)), read},
		{int(resultCode(syscall.ENOMEM, read)), nomem},
		{int(resultCode(errInterrupted, read)), interrupt},
		{int(resultCode(errInterrupted, write)), write},
		{int(resultCode(syscall.EBUSY, read)), read},
	} {
		if tt[0] != tt[1] {
			t.Errorf("case %d: got %d, want %d", i, tt[0], tt[1])
		}
	}
}

// closer is a blob that can only be closed.
type closer struct{ f func() }

func (c closer) ReadAt(context.Context, []byte, int64) (int, error) { return 0, io.EOF }
func (c closer) Status() clone.Status                               { return clone.Status{} }
func (c closer) Close() error                                       { c.f(); return nil }

func TestLastError(t *testing.T) {
	var l lastError
	if !l.set("a") || l.set("a") || !l.set("b") || l.get() != "b" {
		t.Error("not once each")
	}
}

// Many open and close one path at once: there is never more than one engine, and none is left.
func TestRegistry(t *testing.T) {
	r := newRegistry()
	var open, made atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 50 {
				e, err := r.acquire("p", func() (*engine, error) {
					if n := open.Add(1); n != 1 {
						t.Errorf("%d engines", n)
					}
					if made.Add(1)%5 == 0 {
						open.Add(-1)
						return nil, io.EOF
					}
					e := newEngine(request{path: "p"}, &params{})
					e.blob = closer{func() { open.Add(-1) }}
					return e, e.share()
				})
				if err != nil {
					continue
				}
				if r.find("p") != e {
					t.Error("not to be found")
				}
				r.release(e)
			}
		})
	}
	wg.Wait()
	if len(r.slots) != 0 || len(r.paths) != 0 || open.Load() != 0 || made.Load() == 0 {
		t.Errorf("%d slots, %d open, %d made", len(r.slots), open.Load(), made.Load())
	}
}

// One file has one engine, by whatever path; also before it exists.
func TestRegistryKnowsFilesAndNotPaths(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	r := newRegistry()
	made := 0
	open := func() (*engine, error) {
		made++
		e := newEngine(request{path: "p"}, &params{})
		e.blob = closer{func() {}}
		return e, e.share()
	}
	a, err := r.acquire(filepath.Join(dir, "p"), open)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.acquire(filepath.Join(link, "p"), open)
	if err != nil || b != a || made != 1 {
		t.Errorf("%d engines, %v", made, err)
	}
	if r.find(filepath.Join(link, ".", "p")) != a || r.find(filepath.Join(dir, "q")) != nil {
		t.Error("found wrongly")
	}
	if n := r.users(a); n != 2 {
		t.Errorf("%d users", n)
	}
	r.release(a)
	r.release(b)
	if len(r.slots) != 0 || len(r.paths) != 0 {
		t.Errorf("%d slots, %d paths are left", len(r.slots), len(r.paths))
	}
}

// The engine may want to complete the clone before C knows of it.
func TestQuiesceWaitsUntilItIsShared(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := newEngine(request{path: "p"}, &params{})
	if err := e.quiesce(ctx, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
