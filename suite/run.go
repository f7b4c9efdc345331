package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runAll runs the files, then the programs, in all columns.
func (c *config) runAll(ctx context.Context) (*table, error) {
	var files []string
	if !c.noFiles {
		var err error
		if files, err = c.files(ctx); err != nil {
			return nil, err
		}
	}
	t := newTable(c.columns)
	type job struct {
		file string
		col  column
	}
	jobs := make(chan job)
	var wg sync.WaitGroup
	for range c.jobs {
		wg.Go(func() {
			for j := range jobs {
				o := c.runFile(ctx, j.file, j.col)
				if ctx.Err() == nil {
					t.add(o)
				}
			}
		})
	}
	for i, f := range files {
		if ctx.Err() != nil {
			break
		}
		for _, col := range c.columns {
			jobs <- job{f, col}
		}
		if i%100 == 99 {
			fmt.Printf("%d of %d files\n", i+1, len(files))
		}
	}
	close(jobs)
	wg.Wait()
	programs := slices.DeleteFunc(c.programs(), func(p program) bool {
		return len(c.patterns) > 0 && !matches(c.patterns, p.name)
	})
	if len(files)+len(programs) == 0 {
		return nil, errors.New("nothing to run")
	}
	for _, col := range c.columns {
		for _, p := range programs {
			if ctx.Err() == nil {
				t.add(c.runProgram(ctx, p, col))
			}
		}
	}
	return t, nil
}

// permutation is the set by whose rules a file is run: "full" switches on what the others leave out.
func (c *config) permutation() string {
	if c.quick || len(c.patterns) > 0 {
		return "veryquick"
	}
	return c.set
}

// runFile runs one test file in a process and a folder of its own.
func (c *config) runFile(ctx context.Context, file string, col column) *outcome {
	script := filepath.Join(c.build, "src", "test", "permutations.test")
	out, why := c.run(ctx, col, file, c.timeout, c.program("testfixture"), script, c.permutation(), file)
	return readOutcome(file, col.name, out, why)
}

// run runs a program in a folder of its own, and returns what it printed and how it failed. What
// it printed is kept in .build/suite/log.
func (c *config) run(ctx context.Context, col column, name string, timeout time.Duration, argv ...string) (out, why string) {
	dir, err := os.MkdirTemp(c.work, col.name+"-"+strings.TrimSuffix(name, ".test")+"-")
	if err != nil {
		return "", err.Error()
	}
	return c.runIn(ctx, col, dir, name, timeout, argv...)
}

// runIn is run in dir, which is then removed.
func (c *config) runIn(ctx context.Context, col column, dir, name string, timeout time.Duration, argv ...string) (out, why string) {
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(c.env(col), "HYDRANT_SUITE_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.dropRoot(cmd.SysProcAttr, dir); err != nil {
		return "", err.Error()
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		why = "hangs"
	case errors.As(err, &exit) && !exit.Exited():
		why = "crashes"
	case err != nil:
		why = "fails"
	}
	if counts, err := os.ReadFile(filepath.Join(dir, "clones")); err == nil {
		c.made.Add(int64(bytes.Count(counts, []byte("made"))))
		c.read.Add(int64(bytes.Count(counts, []byte("read"))))
	}
	if err := c.keepLog(col.name, name, b); err != nil {
		return string(b), err.Error()
	}
	if why == "" || !c.keep {
		if err := os.RemoveAll(dir); err != nil {
			return string(b), err.Error()
		}
	}
	return string(b), why
}

func (c *config) keepLog(col, name string, b []byte) error {
	dir := filepath.Join(c.build, "log", col)
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".log"), b, 0o644))
}

// nobody is who runs the tests when we are root: some of them are about permissions.
const nobody = 65534

func (c *config) dropRoot(attr *syscall.SysProcAttr, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	return filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, nobody, nobody))
	})
}
