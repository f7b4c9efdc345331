package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each function is where SQLite's own header says that it is in the table.
func TestPlaces(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/mattn/go-sqlite3").Output()
	if err != nil {
		t.Skip(err)
	}
	header, err := os.ReadFile("host.h")
	if err != nil {
		t.Fatal(err)
	}
	places := regexp.MustCompile(`X\( *(\d+), (\w+)\)`).FindAllStringSubmatch(string(header), -1)
	if len(places) < 28 {
		t.Fatalf("%d places", len(places))
	}
	var c strings.Builder
	c.WriteString("#include <stddef.h>\n#include \"" + filepath.Join(strings.TrimSpace(string(out)), "sqlite3ext.h") + "\"\n")
	for _, p := range places {
		c.WriteString(`_Static_assert(offsetof(sqlite3_api_routines, ` + p[2] + `)==` + p[1] + `*sizeof(void(*)(void)), "` + p[2] + `");` + "\n")
	}
	path := filepath.Join(t.TempDir(), "places.c")
	if err := os.WriteFile(path, []byte(c.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-fsyntax-only", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// No function is left out: a HydrantApi is filled as a whole.
func TestAllAreTaken(t *testing.T) {
	abi, err := os.ReadFile(filepath.Join("..", "shim", "sqlite3abi.h"))
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile("host.c")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(abi), "struct HydrantApi {")
	names := regexp.MustCompile(`(?m)^  \w.*?\(\*(\w+)\)\(`).FindAllStringSubmatch(body, -1)
	if len(names) < 25 {
		t.Fatalf("%d functions", len(names))
	}
	for _, n := range names {
		if !strings.Contains(string(host), "TAKE("+n[1]+")") && !strings.Contains(string(host), "pApi->"+n[1]+" =") {
			t.Errorf("%s is never set", n[1])
		}
	}
}
