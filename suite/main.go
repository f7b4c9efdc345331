// Command suite runs SQLite's own test suite with hydrant as SQLite's default VFS, and compares
// it with what the same tests say of SQLite's unix VFS on this machine.
//
//	go run ./suite                the files of "veryquick", and the programs
//	go run ./suite -quick         those that have to do with a VFS
//	go run ./suite -set full      every file
//	go run ./suite 'wal*.test'    files and programs that match, nothing else
//
// There are three columns:
//
//	unix     SQLite's unix VFS; hydrant is not in the process
//	plain    hydrant as the default VFS; every database is a plain file
//	clone    the same, and a database that exists when it is opened is turned into a clone of
//	         itself, half of it cold, see vfslib/clones.go
//
// A test that fails in plain or clone and not in unix is a difference. Each has a line with its
// reason in expected.txt; any other makes the command fail.
//
// The tests are those of Debian's source package of sqlite3, which is fetched by apt and built
// under .build/suite; nothing of it is part of the project. Needed are gcc, make, tcl-dev,
// zlib1g-dev and the deb line of a Debian mirror. Databases are made in /dev/shm when there is one.
//
// The folder:
//
//	main.go      the columns and their order
//	fetch.go     SQLite's sources
//	build.go     testfixture, the other programs, and the library
//	files.go     which test files there are
//	run.go       one test file, and all of them
//	outcome.go   what a test file printed
//	expected.go  differences that have a reason: expected.txt
//	programs.go  mptester, threadtest3, speedtest1, fuzzcheck
//	table.go     the report
//	vfslib/      hydrant as a library for such programs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// column is one way to run the tests.
type column struct {
	name string
	lib  string   // folder of libhydrantsuite.so
	env  []string // besides
}

var columns = []column{
	{name: "unix", lib: "unix"},
	{name: "plain", lib: "hydrant"},
	{name: "clone", lib: "hydrant", env: []string{"HYDRANT_SUITE=clone"}},
}

// config is what the command line says.
type config struct {
	root     string // of the project
	build    string // .build/suite
	work     string // where databases are made
	set      string
	quick    bool
	jobs     int
	seed     int64
	timeout  time.Duration // of a test file
	columns  []column
	patterns []string
	mixed    bool // clones hydrate, or not, by chance
	keep     bool
	noBuild  bool
	noFiles  bool
	results  map[string]string // of the programs in the first column

	made, read atomic.Int64 // clones, and those that were left incomplete after cold reads
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*config, error) {
	c := &config{}
	set := flag.NewFlagSet("suite", flag.ContinueOnError)
	set.StringVar(&c.set, "set", "veryquick", "SQLite's name for a set of files: veryquick, quick, full")
	set.BoolVar(&c.quick, "quick", false, "the files that have to do with a VFS, and short runs of the programs")
	set.IntVar(&c.jobs, "jobs", 2, "files at once")
	set.Int64Var(&c.seed, "seed", 1, "of what is cold in the clones")
	set.DurationVar(&c.timeout, "timeout", 10*time.Minute, "of one file: a guard against hanging")
	set.BoolVar(&c.mixed, "mixed", false, "hydrate half of the clones while they are in use: then what is cold is a matter of time, too, and files that listen to SQLite's log by a script, like multiplex.test, may crash")
	set.BoolVar(&c.keep, "keep", false, "keep the folders of failed files")
	set.BoolVar(&c.noBuild, "nobuild", false, "use what was built before")
	set.BoolVar(&c.noFiles, "nofiles", false, "run the programs only")
	only := set.String("columns", "unix,plain,clone", "which columns")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	c.patterns = set.Args()
	for _, col := range columns {
		if strings.Contains(","+*only+",", ","+col.name+",") {
			c.columns = append(c.columns, col)
		}
	}
	var err error
	if c.root, err = filepath.Abs("."); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(c.root, "suite", "expected.txt")); err != nil {
		return nil, fmt.Errorf("run it from the root of the project: %w", err)
	}
	c.build = filepath.Join(c.root, ".build", "suite")
	return c, os.MkdirAll(c.build, 0o755)
}

func run(ctx context.Context, args []string) error {
	began := time.Now()
	c, err := parse(args)
	if err != nil {
		return err
	}
	if !c.noBuild {
		if err := c.fetch(ctx); err != nil {
			return fmt.Errorf("get SQLite's sources: %w", err)
		}
		if err := c.make(ctx); err != nil {
			return fmt.Errorf("build: %w", err)
		}
		fmt.Printf("built after %.1f minutes\n", time.Since(began).Minutes())
	}
	if err := c.makeWork(); err != nil {
		return err
	}
	defer os.RemoveAll(c.work)
	expected, err := readExpected(filepath.Join(c.root, "suite", "expected.txt"))
	if err != nil {
		return err
	}
	table, err := c.runAll(ctx)
	if err != nil {
		return err
	}
	bad := table.print(os.Stdout, expected)
	if ctx.Err() != nil {
		return errors.New("interrupted: these were not all")
	}
	fmt.Printf("%d clones were made; %d of them were closed incomplete after cold reads\n", c.made.Load(), c.read.Load())
	fmt.Printf("it took %.1f minutes, seed %d\n", time.Since(began).Minutes(), c.seed)
	if bad > 0 {
		return fmt.Errorf("%d differences without a reason in suite/expected.txt", bad)
	}
	return nil
}

// makeWork makes the folder for databases: in memory when there is room.
func (c *config) makeWork() error {
	dir := "/dev/shm"
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || st.Bavail*uint64(st.Bsize) < 1<<30 {
		dir = c.build
	}
	var err error
	if c.work, err = os.MkdirTemp(dir, "hydrant-suite-"); err != nil {
		return err
	}
	return os.Chmod(c.work, 0o755)
}
