package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSourceLines(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"sources.list.d/debian.sources": "Types: deb\nURIs: http://m.example/debian\nSuites: a a-updates\nComponents: main contrib\nSigned-By: /k.gpg\n\n" +
			"Types: deb\nURIs: http://n.example\nSuites: x\nComponents: other\n\nTypes: deb\nURIs: http://o.example\nSuites: x\nComponents: main\nEnabled: no\n",
		"sources.list": "# deb http://c.example a main\ndeb [arch=amd64] http://p.example/debian a main\ndeb-src http://q.example a main\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sourceLines(dir)
	want := "deb-src [signed-by=/k.gpg] http://m.example/debian a main contrib\n" +
		"deb-src [signed-by=/k.gpg] http://m.example/debian a-updates main contrib\n" +
		"deb-src [arch=amd64] http://p.example/debian a main\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := sourceLines(t.TempDir()); err == nil {
		t.Errorf("nothing there: got %q", got)
	}
}

func TestReadOutcome(t *testing.T) {
	for _, c := range []struct {
		name, out, why string
		tests          int
		failed         []string
	}{
		{"well", "x-1... Ok\n0 errors out of 12 tests on host\nAll memory\n", "", 12, nil},
		{"two", "! x-1 expected: [1]\n! x-1 got:      [0]\n2 errors out of 12 tests on host\n!Failures on these tests: x-2 x-1\n", "fails", 12, []string{"x-1", "x-2"}},
		{"cut off", "x-1... Ok\nx-2...", "crashes", 0, []string{"(crashes)"}},
		{"leaks", "0 errors out of 3 tests on host\nUnfreed memory: 8 bytes in 1 allocations\n", "fails", 3, []string{"(memory not freed)"}},
		{"nothing", "", "", 0, []string{"(says nothing)"}},
	} {
		o := readOutcome("x.test", "plain", c.out, c.why)
		if o.tests != c.tests || !slices.Equal(o.failed, c.failed) {
			t.Errorf("%s: got %d, %q", c.name, o.tests, o.failed)
		}
	}
}

// A difference without a reason counts, one with a reason does not, and what fails everywhere is
// none.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "expected.txt")
	err := os.WriteFile(path, []byte("# words\nreason raw: looks at\n  the file\nclone a*.test a-2.* raw\n"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	e, err := readExpected(path)
	if err != nil || e.reasons["raw"] != "looks at the file" {
		t.Fatal(e, err)
	}
	tab := newTable(columns)
	tab.add(&outcome{file: "a1.test", column: "unix", tests: 5, failed: []string{"a-1"}})
	tab.add(&outcome{file: "a1.test", column: "plain", tests: 5, failed: []string{"a-1", "a-2.1"}})
	tab.add(&outcome{file: "a1.test", column: "clone", tests: 5, failed: []string{"a-1", "a-2.1", "a-3"}})
	var b strings.Builder
	tab.add(&outcome{file: "b.test", column: "unix", tests: 155})
	tab.add(&outcome{file: "b.test", column: "plain", tests: 3})
	tab.add(&outcome{file: "b.test", column: "clone", tests: 150})
	if bad := tab.print(&b, e); bad != 3 {
		t.Errorf("%d differences, want a-2.1 and b's skipping in plain, and a-3 in clone\n%s", bad, b.String())
	}
	if err := os.WriteFile(path, []byte("clone a.test a-1 nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readExpected(path); err == nil {
		t.Error("a reason that is not there is accepted")
	}
}

// The committed file can be read.
func TestExpected(t *testing.T) {
	if _, err := readExpected("expected.txt"); err != nil {
		t.Error(err)
	}
}
