//go:build e2e && linux

package hosts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples do what they say: on a clone that they make, on it again, and from the beginning to a
// plain file.
func TestExamples(t *testing.T) {
	for name, program := range map[string]func(*testing.T) string{
		"shell.sh":           func(*testing.T) string { return "sh" },
		"python.py":          pythonPath,
		"node.mjs":           newNode,
		"better-sqlite3.cjs": func(t *testing.T) string { modules(t, "better-sqlite3"); return "node" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2<<20)
			tables, indexes := r.answer(t, "SELECT count(*) FROM sqlite_master WHERE type='table'"), r.answer(t, "SELECT count(*) FROM sqlite_master WHERE type='index'")
			first := "index|" + indexes + "\ntable|" + tables + "\nvisits|1\nall of it is here\n"
			if got := r.example(t, program(t), name); got != first {
				t.Errorf("it says:\n%s\nwant\n%s", got, first)
			}
			if _, err := os.Stat(r.path + "-hydrant"); err == nil {
				t.Error("the state file is still there")
			}
			if again := r.example(t, program(t), name); !strings.HasSuffix(again, "visits|2\nall of it is here\n") {
				t.Errorf("once more it says:\n%s", again)
			}
		})
	}
}

// example runs one as its first lines say.
func (r *rig) example(t *testing.T, program, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(project(t), "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(project(t), ".build", "hosts", "node_modules")
	script := filepath.Join(r.dir, name)
	if err := os.WriteFile(script, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(r.dir, "node_modules")); err != nil && strings.HasSuffix(name, "js") {
		if err := os.Symlink(modules, filepath.Join(r.dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr strings.Builder
	cmd := exec.Command(program, script, extension(t), r.source, r.path)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	return stdout.String()
}
