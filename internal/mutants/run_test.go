//go:build mutants

package mutants

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	only  = flag.String("only", "", "run the mutations whose name matches this regular expression")
	limit = flag.Duration("limit", 2*time.Minute, "how long the tests of one mutation may take; one that hangs has been noticed")
	jobs  = flag.Int("jobs", 2, "mutations at the same time")
)

// outcome is what became of one mutation.
type outcome struct {
	by   string // the test that noticed, "" if none did
	took time.Duration
	err  error // nothing can be said: it does not compile, or its tests fail without it
}

// tell names who noticed.
func (o outcome) tell() string {
	if o.err != nil {
		return "BROKEN"
	}
	return cmp.Or(o.by, "NOBODY")
}

// TestMutations fails when a mutation goes unnoticed.
func TestMutations(t *testing.T) {
	list := chosen(t)
	sound(t, list)
	out := make([]outcome, len(list))
	var wg sync.WaitGroup
	next := make(chan int)
	for range *jobs {
		wg.Go(func() {
			for i := range next {
				out[i] = try(t, list[i])
				t.Logf("%s: %s", list[i].name, out[i].tell())
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	print(list, out)
	for i, o := range out {
		switch {
		case o.err != nil:
			t.Errorf("%s: %v", list[i].name, o.err)
		case o.by == "":
			t.Errorf("%s: no test in %s that matches %q notices", list[i].name, list[i].pkg, list[i].tests)
		}
	}
}

// chosen returns the mutations that -only asks for.
func chosen(t *testing.T) []mutation {
	want, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	var list []mutation
	for _, m := range all() {
		if want.MatchString(m.name) {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no mutation matches -only %q", *only)
	}
	return list
}

// sound runs the tests on the code as it is: what fails there notices nothing.
func sound(t *testing.T, list []mutation) {
	tests := map[string][]string{}
	for _, m := range list {
		tests[m.pkg] = append(tests[m.pkg], m.tests)
	}
	for pkg, names := range tests {
		if out, err := goTest(pkg, strings.Join(names, "|"), 4**limit); err != nil {
			t.Fatalf("%s without any mutation: %v\n%s", pkg, err, out)
		}
	}
}

// try runs the tests of m with m in place.
func try(t *testing.T, m mutation) outcome {
	text, err := m.apply()
	if err != nil {
		return outcome{err: err}
	}
	overlay, err := overlay(t.TempDir(), m.file, text)
	if err != nil {
		return outcome{err: err}
	}
	began := time.Now()
	out, err := goTest(m.pkg, m.tests, *limit, "-overlay", overlay)
	o := outcome{took: time.Since(began)}
	var exit *exec.ExitError
	switch {
	case err == nil && strings.Contains(out, "[no tests to run]"):
		o.err = errors.New("its tests are not there")
	case err == nil:
	case !errors.As(err, &exit), strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		o.err = fmt.Errorf("%w\n%s", err, out)
	default:
		o.by = noticed(out)
	}
	return o
}

// goTest runs tests of pkg as they are in the tree, but for what args say.
func goTest(pkg, tests string, timeout time.Duration, args ...string) (string, error) {
	args = append([]string{"test", "-count=1", "-timeout", timeout.String(), "-run", tests}, args...)
	cmd := exec.Command("go", append(args, "./"+pkg)...)
	cmd.Dir = top
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// overlay writes text beside a file for the compiler's -overlay that puts it in the place of name.
func overlay(dir, name, text string) (string, error) {
	place, err := filepath.Abs(filepath.Join(top, name))
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(dir, filepath.Base(name))
	if err := os.WriteFile(mutated, []byte(text), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {place: mutated}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, b, 0o600)
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// noticed returns the name of the first test that failed, or how the run ended without one.
func noticed(out string) string {
	if m := failed.FindStringSubmatch(out); m != nil {
		return m[1]
	}
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	return "exit"
}

// print writes the table.
func print(list []mutation, out []outcome) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MUTATION\tFILE\tNOTICED BY\tSECONDS")
	caught := 0
	for i, o := range out {
		if o.by != "" {
			caught++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\n", list[i].name, list[i].file, o.tell(), o.took.Seconds())
	}
	w.Flush()
	fmt.Printf("%d of %d mutations noticed\n", caught, len(list))
}
