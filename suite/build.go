package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// programs are what is built of SQLite's sources.
var programs = []string{"testfixture", "sqlite3", "mptester", "threadtest3", "speedtest1", "fuzzcheck"}

// stubC is libhydrantsuite.so of the column unix.
const stubC = "int hydrant_suite_init(const char *z){ (void)z; return 0; }\n"

// make builds what is not built yet: the library in both forms, and the programs, which find the
// one or the other by LD_LIBRARY_PATH.
func (c *config) make(ctx context.Context) error {
	unix, ours := filepath.Join(c.build, "lib", "unix"), filepath.Join(c.build, "lib", "hydrant")
	err := errors.Join(os.MkdirAll(unix, 0o755), os.MkdirAll(ours, 0o755),
		os.WriteFile(filepath.Join(c.build, "stub.c"), []byte(stubC), 0o644))
	if err != nil {
		return err
	}
	const so = "libhydrantsuite.so"
	if err := command(ctx, c.build, "cc", "-shared", "-fPIC", "-o", filepath.Join(unix, so), "stub.c"); err != nil {
		return err
	}
	if err := command(ctx, c.root, "go", "build", "-trimpath", "-buildmode=c-shared", "-o", filepath.Join(ours, so), "./suite/vfslib"); err != nil {
		return err
	}
	return c.makePrograms(ctx, unix)
}

// makePrograms configures SQLite with everything that it has. The tests of testfixture do not sync;
// SQLite's own makefile says so.
func (c *config) makePrograms(ctx context.Context, lib string) error {
	dir := filepath.Join(c.build, "build")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "Makefile")); err != nil {
		err := command(ctx, dir, "../src/configure", "--enable-all", "--disable-shared", "CFLAGS=-O2 -DSQLITE_EXTRA_INIT=hydrant_suite_init")
		if err != nil {
			return err
		}
	}
	libs := []string{"-lm", "-lz", "-lpthread", "-ldl", "-L" + lib, "-lhydrantsuite", "-Wl,--export-dynamic"}
	args := append([]string{"-j", strconv.Itoa(c.jobs), "TLIBS=" + strings.Join(libs, " ")}, programs...)
	return command(ctx, dir, "make", args...)
}
