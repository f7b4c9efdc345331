//go:build e2e && linux

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/source"
	"hydrant/source/scheme"
	"hydrant/sqlitevfs"
	"hydrant/torture"
)

// childPrefix marks the first argument of the test binary when it is run as another process.
const childPrefix = "child:"

// children are what it can be run as.
var children = map[string]func(args []string) error{
	"crash":      crash,
	"completing": diesCompleting,
	"plain":      crashPlain,
	"stamps":     stamps,
	"all":        bringsAll,
}

func TestMain(m *testing.M) {
	torture.Child()
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], childPrefix) {
		os.Exit(runTests(m))
	}
	if err := children[strings.TrimPrefix(os.Args[1], childPrefix)](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runTests runs the tests with their files in memory, where that can be had: none of those that use
// a temporary folder asks whether power may be lost, and all of them sync.
func runTests(m *testing.M) int {
	const memory = "/dev/shm"
	var st syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(memory, &st) == nil && st.Bavail*uint64(st.Bsize) > 4<<30 {
		if dir, err := os.MkdirTemp(memory, "hydrant-e2e-"); err == nil {
			defer os.RemoveAll(dir)
			if err := os.Setenv("TMPDIR", dir); err != nil {
				panic(err)
			}
		}
	}
	return m.Run()
}

// childCommand is the test binary as another process.
func childCommand(what string, args ...string) *exec.Cmd {
	return exec.Command(os.Args[0], append([]string{childPrefix + what}, args...)...)
}

// killed runs a child that ends by its own kill -9.
func killed(t *testing.T, what string, args ...string) {
	t.Helper()
	out, err := childCommand(what, args...).CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("child %s: %v: %s", what, err, out)
	}
}

// kill ends the process with nothing closed and nothing flushed.
func kill() error { return syscall.Kill(syscall.Getpid(), syscall.SIGKILL) }

// crash leaves a clone in the middle of a transaction, with pages spilled into the database, and
// the journal or WAL that undoes them beside it. One transaction before it was committed.
//
//	crash JOURNALMODE PATH
func crash(args []string) error {
	db, err := sqlitevfs.Open(args[1], "", nil)
	if err != nil {
		return err
	}
	return halfTransaction(db, args[0])
}

// crashPlain is the same with a plain database, without hydrant.
//
//	plain JOURNALMODE PATH
func crashPlain(args []string) error {
	db, err := sql.Open("sqlite3", args[1])
	if err != nil {
		return err
	}
	return halfTransaction(db, args[0])
}

func halfTransaction(db *sql.DB, mode string) error {
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		`PRAGMA journal_mode=` + mode, `PRAGMA synchronous=FULL`, `PRAGMA cache_size=5`, committed,
		`BEGIN`, `UPDATE t SET b = 'gone', a = -id WHERE id < 400`,
	} {
		if _, err := db.Exec(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return kill()
}

// diesCompleting hydrates all that is left and is killed when phase completing has been recorded;
// with a second argument, when the side files have their public names as well.
//
//	completing PATH [renamed]
func diesCompleting(args []string) error {
	path := args[0]
	c, err := openEngine(path, &clone.Options{
		Quiesce: func(context.Context, func() error) error {
			f, err := state.PathStore(path, 0).Open()
			if err != nil {
				return err
			}
			sb, err := state.ReadSuperblock(f)
			if err != nil {
				return err
			}
			sb.Phase = state.Completing
			if err := state.WriteSuperblock(f, sb); err != nil {
				return err
			}
			for _, suffix := range []string{"-journal", "-wal"} {
				if len(args) > 1 {
					_ = os.Rename(clone.PrivateName(path, suffix), path+suffix)
				}
			}
			return kill()
		},
	})
	if err != nil {
		return err
	}
	on := true
	if err := c.Tune(clone.Knobs{Hydration: &on}); err != nil {
		return err
	}
	return errors.Join(c.Wait(context.Background()), errors.New("completed without being asked"))
}

// bringsAll makes all of a clone local, durably, and is killed before it is completed.
//
//	all PATH
func bringsAll(args []string) error {
	ctx := context.Background()
	c, err := openEngine(args[0], &clone.Options{Quiesce: func(context.Context, func() error) error { return clone.ErrTransaction }})
	if err != nil {
		return err
	}
	if err := errors.Join(c.Hydrate(ctx, 0, c.Status().Size), c.Sync(ctx)); err != nil {
		return err
	}
	return kill()
}

// openEngine opens the clone at path without SQLite.
func openEngine(path string, opts *clone.Options) (*clone.Clone, error) {
	opts.OpenSource = func(ctx context.Context, url string) (source.Source, error) {
		return scheme.Open(ctx, url, scheme.Options{})
	}
	return clone.OpenPath(context.Background(), nil, path, opts)
}

// halfHydrated makes about the half of a clone local.
func halfHydrated(t *testing.T, path string) {
	t.Helper()
	off := false
	c, err := openEngine(path, &clone.Options{Knobs: clone.Knobs{Hydration: &off}})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, c.Status().Size/2)
	if _, err := c.ReadAt(t.Context(), b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
