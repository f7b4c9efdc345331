package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// vfsFiles are those of -quick: what a VFS can get wrong shows there first.
var vfsFiles = []string{
	"8_3_names.test", "atomic*.test", "attach*.test", "auto*vacuum*.test", "avtrans.test", "backup*.test",
	"bigmmap.test", "busy.test", "cache*.test",
	"chunksize.test", "corrupt*.test", "cksumvfs.test", "delete_db.test", "diskfull.test", "e_uri.test",
	"e_vacuum.test", "e_wal*.test", "exclusive*.test", "externread.test", "filectrl.test", "fsync*.test",
	"incrblob*.test", "incrvacuum*.test", "io.test", "ioerr5.test", "jrnlmode*.test", "journal*.test", "lock*.test",
	"memdb*.test", "mjournal.test", "mmap*.test", "multiplex*.test", "nolock.test",
	"oserror.test", "pager*.test", "pageropt.test", "pagesize.test", "pragma*.test", "quota*.test", "rdonly.test",
	"reservebytes.test", "rollback*.test", "savepoint*.test", "securedel*.test", "shared*.test", "snapshot*.test",
	"shmlock.test", "shortread1.test", "subjournal.test", "superlock.test", "symlink*.test", "sync*.test",
	"tempdb*.test", "temptable*.test", "trans*.test", "unixexcl.test", "uri*.test", "vacuum*.test", "wal*.test", "zerodamage.test",
	"zeroblob*.test", "cachespill.test", "crash*.test", "writecrash.test",
}

// slowFiles are left out of -quick: they are long, and say little of a VFS, or they measure time.
var slowFiles = []string{
	"*malloc*", "*fault*", "*_ioerr*", "crash.test", "crash2.test", "crash3.test", "crash6.test", "crash7.test", "corruptC.test", "walslow.test",
	"savepoint4.test", "savepoint6.test", "trans2.test", "vacuum3.test", "corrupt.test", "backup.test",
	"walcrash*.test", "walthread.test", "shared_err.test", "mmap4.test", "sharedA.test",
	"temptable2.test", "wal3.test", "walprotocol*.test", "walro*.test", "walsetlk*.test", "walvfs.test", "vacuum6.test",
}

// listTcl prints the files of one of SQLite's sets.
const listTcl = `
set dir [lindex $argv 0]
set name [lindex $argv 1]
set argv0 $dir/list.tcl
set argv {}
source $dir/permutations.test
array set spec $::testspec($name)
foreach f $spec(-files) { puts "FILE [file tail $f]" }
exit 0
`

// files returns the names of the test files to run, sorted.
func (c *config) files(ctx context.Context) ([]string, error) {
	set := c.set
	if c.quick || len(c.patterns) > 0 {
		set = "full"
	}
	dir := filepath.Join(c.work, "list")
	script := filepath.Join(dir, "list.tcl")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(script, []byte(listTcl), 0o644)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, c.program("testfixture"), script, filepath.Join(c.build, "src", "test"), set)
	cmd.Dir, cmd.Env = dir, c.env(columns[0])
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the set %s: %w\n%s", set, err, tail(out, 2000))
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if f, ok := strings.CutPrefix(strings.TrimSpace(line), "FILE "); ok && c.wanted(f) {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// wanted tells whether a file is to be run.
func (c *config) wanted(file string) bool {
	switch {
	case len(c.patterns) > 0:
		return matches(c.patterns, file)
	case c.quick:
		return matches(vfsFiles, file) && !matches(slowFiles, file)
	}
	return true
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// program is the path of one of SQLite's.
func (c *config) program(name string) string { return filepath.Join(c.build, "build", name) }

// env is the environment of a program in a column.
func (c *config) env(col column) []string {
	hydrate := "off"
	if c.mixed {
		hydrate = "mixed"
	}
	return append(append(os.Environ(), "HYDRANT_SUITE_HYDRATE="+hydrate, "LD_LIBRARY_PATH="+filepath.Join(c.build, "lib", col.lib),
		fmt.Sprintf("HYDRANT_SUITE_SEED=%d", c.seed)), col.env...)
}
