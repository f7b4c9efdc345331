package shim

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The C half compiles without a warning. Users' compilers, which may know more of them, are not
// told to make errors of them.
func TestNoWarnings(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command("go", "list", "-f", `{{join .CgoFiles " "}}`, ".").Output()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir() // for _cgo_export.h
	args := append([]string{"tool", "cgo", "-objdir", dir, "--", "-I."}, strings.Fields(string(out))...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob("*.c")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../linked.c", "../internal/forktest/forktest.c", "../internal/logtest/logtest.c") {
		cmd := exec.Command(cc, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I.", "-I"+dir, "-c", "-o", filepath.Join(dir, "o"), file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
