package clone

import (
	"bufio"
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/internal/pattern"
	"hydrant/source/http"
)

// roles are what a child process does with the clone at path. It says lines on its standard output,
// and is killed when the test is done with it.
var roles = map[string]func(c *Clone, arg string) error{
	// hydrate says so when all is there.
	"hydrate": func(c *Clone, _ string) error {
		if err := c.Wait(context.Background()); err != nil {
			return err
		}
		fmt.Println("complete")
		return nil
	},
	// lock takes the lock at a position of the state file and is stopped.
	"lock": func(c *Clone, arg string) error {
		at, _ := strconv.ParseInt(arg, 10, 64)
		if at == state.LockLog {
			c.logMu.Lock() // for good: a commit of this process would give up the lock of the file
		}
		if err := lockFile(context.Background(), c.st.File, at, true); err != nil {
			return fmt.Errorf("lock %d: %w", at, err)
		}
		return stopSelf()
	},
	// names uses a companion's name and is stopped.
	"names": func(c *Clone, _ string) error {
		return c.Companions(func(bool) error { return stopSelf() })
	},
	// claim takes a claim on a region and is stopped.
	"claim": func(c *Clone, arg string) error {
		r, _ := strconv.ParseUint(arg, 10, 64)
		if _, err := c.claims.acquire(context.Background(), span{r, r + 1}); err != nil {
			return err
		}
		return stopSelf()
	},
}

func stopSelf() error {
	fmt.Println("stopped")
	return syscall.Kill(os.Getpid(), syscall.SIGSTOP)
}

// play is a child's main function.
func play(role string) {
	if role == "probe" {
		probe(os.Getenv("CLONE_TEST_PATH"))
	}
	ctx := context.Background()
	src, err := http.Open(os.Getenv("CLONE_TEST_URL"), http.Options{})
	if err == nil {
		var c *Clone
		c, err = OpenPath(ctx, src, os.Getenv("CLONE_TEST_PATH"), &Options{NoBackground: role != "hydrate"})
		if err == nil {
			fmt.Println("open")
			err = roles[role](c, os.Getenv("CLONE_TEST_ARG"))
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {} // until killed: a clone that is closed would be detached
}

// player is a child.
type player struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
}

// stage is a clone that several processes have open, and its source.
type stage struct {
	t    *testing.T
	path string
	blob *served
}

func (s *stage) play(role, arg string) *player {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "CLONE_TEST_ROLE="+role, "CLONE_TEST_PATH="+s.path, "CLONE_TEST_ARG="+arg, "CLONE_TEST_URL="+s.blob.url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &player{s.t, cmd, bufio.NewReader(out)}
	s.t.Cleanup(p.kill)
	p.says("open\n")
	return p
}

// says waits for the child's next line.
func (p *player) says(want string) {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if line != want {
		p.t.Fatalf("child: %q, %v; want %q", line, err, want)
	}
}

// stopped waits until the child, which has said so, is stopped indeed.
func (p *player) stopped() {
	p.t.Helper()
	p.says("stopped\n")
	p.isStopped()
}

func (p *player) isStopped() {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(p.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid != p.cmd.Process.Pid || !ws.Stopped() {
			p.t.Fatalf("wait for the child to stop: %v, %v", ws, err)
		}
		return
	}
}

// stop is SIGSTOP from outside, wherever the child is.
func (p *player) stop() {
	p.cmd.Process.Signal(syscall.SIGSTOP)
	p.isStopped()
}

// kill is kill -9. It may be called again.
func (p *player) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// served is a blob on a server that writes down what it is asked.
type served struct {
	url  string
	blob pattern.Blob
	size int64

	mu   sync.Mutex
	log  []asked
	slow time.Duration // before each 64 KiB
}

// asked is a range that was asked for, and how much of it went out.
type asked struct{ off, n, sent int64 }

func serve(t *testing.T, blob pattern.Blob, size int64) *served {
	s := &served{blob: blob, size: size}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/blob"
	return s
}

func (s *served) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	var lo, hi int64
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &lo, &hi); err != nil {
		w.WriteHeader(nethttp.StatusBadRequest)
		return
	}
	hi = min(hi, s.size-1)
	s.mu.Lock()
	i, slow := len(s.log), s.slow
	s.log = append(s.log, asked{off: lo, n: hi + 1 - lo})
	s.mu.Unlock()
	w.Header().Set("ETag", `"one"`)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", lo, hi, s.size))
	w.Header().Set("Content-Length", strconv.FormatInt(hi+1-lo, 10))
	w.WriteHeader(nethttp.StatusPartialContent)
	buf := make([]byte, 64<<10)
	for off := lo; off <= hi; {
		time.Sleep(slow)
		p := buf[:min(int64(len(buf)), hi+1-off)]
		s.blob.ReadAt(p, off)
		n, err := w.Write(p)
		off += int64(n)
		s.mu.Lock()
		s.log[i].sent += int64(n)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// requests returns those from the i-th on.
func (s *served) requests(i int) []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.log[i:]...)
}

func (s *served) sent() (n int64) {
	for _, a := range s.requests(0) {
		n += a.sent
	}
	return n
}

// local is what the state file says is there, without anybody's help.
func (s *stage) local() (geometry, []bool) {
	s.t.Helper()
	f, err := state.PathStore(s.path, 0).OpenReadOnly()
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	st, err := state.Load(f)
	if err != nil {
		s.t.Fatal(err)
	}
	local := make([]bool, st.Layout.Regions)
	for r := range local {
		local[r] = st.Maps[state.Hydrated].Test(uint64(r)) || st.Maps[state.Written].Test(uint64(r))
	}
	return newGeometry(st.Super.Size, st.Super.RegionSize), local
}

// whole checks that dest is the blob.
func (s *stage) whole() {
	s.t.Helper()
	f, err := os.Open(s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || int64(len(got)) != s.blob.size {
		s.t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := s.blob.blob.Check(got, 0); err != nil {
		s.t.Error(err)
	}
}

func newStage(t *testing.T, size int64) *stage {
	t.Helper()
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	return &stage{t: t, path: t.TempDir() + "/blob", blob: serve(t, pattern.Blob{Seed: 77}, size)}
}

// open opens the clone in this process.
func (s *stage) open(opts *Options) *Clone {
	s.t.Helper()
	src, err := http.Open(s.blob.url, http.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := OpenPath(context.Background(), src, s.path, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}
