package clone

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
)

// memoryFiles returns n Files of one state file, as n processes have them.
func memoryFiles(t testing.TB, n int) []state.File {
	t.Helper()
	store := &state.MemoryStore{}
	if err := store.Create(func(f state.File) error { return f.Allocate(4096) }); err != nil {
		t.Fatal(err)
	}
	files := make([]state.File, n)
	for i := range files {
		f, err := store.Open()
		if err != nil {
			t.Fatal(err)
		}
		files[i] = f
	}
	return files
}

func claimNow(t testing.TB, c *claims, lo, hi uint64) (release func()) {
	t.Helper()
	release, err := c.acquire(context.Background(), span{lo, hi})
	if err != nil {
		t.Fatalf("claim [%d, %d): %v", lo, hi, err)
	}
	return release
}

func TestClaimsOfNeighboursDoNotWait(t *testing.T) {
	c := &claims{file: memoryFiles(t, 1)[0]}
	a := claimNow(t, c, 0, 4)
	b := claimNow(t, c, 4, 8)
	d := claimNow(t, c, 8, 9)
	b() // from the middle of what is one lock to the kernel
	e := claimNow(t, c, 4, 8)
	a()
	d()
	e()
	if len(c.held) != 0 {
		t.Errorf("%d claims are left", len(c.held))
	}
}

// A claim on much is served in its turn, although claims on little, which could be served at once,
// keep coming.
func TestClaimsAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &claims{file: memoryFiles(t, 1)[0]}
		var order []string
		served := make(chan string)
		get := func(name string, lo, hi uint64) {
			go func() {
				release, err := c.acquire(context.Background(), span{lo, hi})
				if err != nil {
					t.Error(err)
				}
				served <- name
				release()
			}()
			synctest.Wait()
		}
		first := claimNow(t, c, 0, 1)
		get("all", 0, 100)
		get("little", 50, 51)
		get("none of it", 200, 201)
		order = append(order, <-served)
		first()
		order = append(order, <-served, <-served)
		if want := [3]string{"none of it", "all", "little"}; [3]string(order) != want {
			t.Errorf("served in order %q, want %q", order, want)
		}
	})
}

// Who gives up waiting is not waited for by those behind.
func TestClaimEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &claims{file: memoryFiles(t, 1)[0]}
		first := claimNow(t, c, 0, 1)
		ctx, cancel := context.WithCancel(context.Background())
		failed := make(chan error)
		go func() {
			_, err := c.acquire(ctx, span{0, 100})
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		claimNow(t, c, 50, 51)()
		first()
	})
}

func TestClaimsExcludeOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := memoryFiles(t, 2)
		timeout := func() time.Duration { return time.Minute }
		a, b := &claims{file: files[0], timeout: timeout}, &claims{file: files[1], timeout: timeout}
		release := claimNow(t, a, 10, 20)
		claimNow(t, b, 0, 10)()
		claimNow(t, b, 20, 30)()

		time.AfterFunc(time.Second, release)
		begin := time.Now()
		claimNow(t, b, 19, 30)()
		if d := time.Since(begin); d < time.Second || d > time.Second+30*time.Millisecond {
			t.Errorf("got the claim after %v, it was free after 1s", d)
		}

		release = claimNow(t, a, 10, 20)
		begin = time.Now()
		if _, err := b.acquire(context.Background(), span{5, 11}); !errors.Is(err, ErrBusy) {
			t.Errorf("claim that another process never lets go of: %v", err)
		}
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("gave up after %v, want the timeout", d)
		}
		claimNow(t, b, 5, 10)()
		release()
		claimNow(t, b, 5, 11)()
	})
}

// A process that dies takes its claims with it.
func TestClaimsEndWithTheirProcess(t *testing.T) {
	files := memoryFiles(t, 2)
	claimNow(t, &claims{file: files[0]}, 0, 100)
	files[0].Close()
	claimNow(t, &claims{file: files[1]}, 50, 60)()
}
