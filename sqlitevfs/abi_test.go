package sqlitevfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What shim/sqlite3abi.h says of SQLite is what the driver's own header says.
func TestABI(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/mattn/go-sqlite3").Output()
	if err != nil {
		t.Skip(err)
	}
	theirs := filepath.Join(strings.TrimSpace(string(out)), "sqlite3-binding.h")
	ours, err := filepath.Abs("shim/sqlite3abi.h")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	body := abiProgram(t, string(text))
	dir := t.TempDir()
	facts := func(name, header string) string {
		c, bin := filepath.Join(dir, name+".c"), filepath.Join(dir, name)
		if err := os.WriteFile(c, []byte("#include \""+header+"\"\n"+body), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(cc, "-o", bin, c).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := exec.Command(bin).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	a, b := facts("ours", ours), facts("theirs", theirs)
	al, bl := strings.Split(a, "\n"), strings.Split(b, "\n")
	if len(al) < 90 || len(al) != len(bl) {
		t.Fatalf("%d and %d facts", len(al), len(bl))
	}
	for i := range al {
		if al[i] != bl[i] {
			t.Errorf("we say %s, the driver says %s", al[i], bl[i])
		}
	}

	// The prototypes: a compiler that sees both must not find them at odds.
	protos, err := os.ReadFile("linked.c")
	if err != nil {
		t.Fatal(err)
	}
	var both strings.Builder
	both.WriteString("#include \"" + theirs + "\"\n")
	for _, m := range regexp.MustCompile(`(?ms)^[a-z][^\n{}=]*\bsqlite3_\w+\((?:[^{};]|\n)*?\);`).FindAllString(string(protos), -1) {
		m = strings.ReplaceAll(m, " __attribute__((weak))", "")
		both.WriteString(m + "\n")
	}
	if n := strings.Count(both.String(), ";"); n < 20 {
		t.Fatalf("%d prototypes", n)
	}
	c := filepath.Join(dir, "protos.c")
	if err := os.WriteFile(c, []byte(both.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-fsyntax-only", c).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// abiProgram returns C code that prints each constant, size and offset in the header's text.
func abiProgram(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("#include <stddef.h>\n#include <stdio.h>\nint main(void){\n")
	for _, m := range regexp.MustCompile(`(?m)^#define (SQLITE_\w+)`).FindAllStringSubmatch(text, -1) {
		b.WriteString(`printf("` + m[1] + ` %lld\n", (long long)(` + m[1] + "));\n")
	}
	for _, m := range regexp.MustCompile(`(?s)struct (sqlite3_\w+) \{(.*?)\n\};`).FindAllStringSubmatch(text, -1) {
		b.WriteString(`printf("` + m[1] + ` %zu\n", sizeof(` + m[1] + "));\n")
		fields := regexp.MustCompile(`(?m)^\s+[a-z][^;(]*?(?:\(\*\(?\*?(\w+)\)?\(|\(\*(\w+)\)|\*?(\w+);)`).FindAllStringSubmatch(m[2], -1)
		for _, f := range fields {
			name := f[1] + f[2] + f[3]
			b.WriteString(`printf("` + m[1] + "." + name + ` %zu\n", offsetof(` + m[1] + ", " + name + "));\n")
		}
	}
	b.WriteString("return 0;}\n")
	return b.String()
}
