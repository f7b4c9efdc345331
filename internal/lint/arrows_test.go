package lint

import (
	"slices"
	"strings"
	"testing"
)

// arrows says what may import what: each package belongs to the first line it is under, and may
// import the packages under its own directory and under those listed. Tests follow the same
// arrows.
var arrows = []struct {
	from string
	to   []string
}{
	{"bitmap", nil},
	{"source/litestream", []string{"source", "replica", "internal"}},
	{"source/scheme", []string{"source", "replica", "internal"}},
	{"source", []string{"internal"}},
	{"dest", []string{"internal"}},
	{"clone", []string{"bitmap", "source", "dest", "internal"}},
	{"replica", []string{"source", "dest", "internal"}},
	{"sqlitevfs", []string{"clone", "replica", "bitmap", "source", "dest", "internal"}},
	{"export", []string{"clone", "bitmap", "source", "dest", "internal"}},
	{"internal", []string{"bitmap", "source", "dest"}},
	{"cmd", anything},
	{"bench", anything},
	{"e2e", anything},
	{"suite", anything},
	{"torture", anything},
}

var anything = []string{
	"bitmap", "source", "dest", "clone", "replica", "sqlitevfs", "export", "internal", "cmd", "bench",
	"torture",
}

func TestArrows(t *testing.T) {
	for _, f := range files(t) {
		line := slices.IndexFunc(arrows, func(a struct {
			from string
			to   []string
		}) bool {
			return under(f.pkg, a.from)
		})
		if line < 0 {
			t.Errorf("%s: its package is in no line of arrows", f.name)
			continue
		}
		rule := arrows[line]
		for _, imported := range f.imports {
			pkg, ok := ours(imported)
			if ok && !under(pkg, rule.from) && !under(pkg, rule.to...) {
				t.Errorf("%s: %s must not import %s", f.name, rule.from, pkg)
			}
		}
	}
}

// TestEngineKnowsNoSQLite follows the imports of the engine: no package on the way, tests aside,
// has to do with SQLite.
func TestEngineKnowsNoSQLite(t *testing.T) {
	imports := map[string][]string{}
	for _, f := range files(t) {
		if !f.test {
			imports[f.pkg] = append(imports[f.pkg], f.imports...)
		}
	}
	var visit func(pkg, way string)
	seen := map[string]bool{}
	visit = func(pkg, way string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for _, imported := range imports[pkg] {
			next := way + " → " + imported
			if strings.Contains(imported, "sqlite") {
				t.Errorf("%s", next)
			} else if p, ok := ours(imported); ok {
				visit(p, next)
			}
		}
	}
	for pkg := range imports {
		if under(pkg, "bitmap", "dest", "clone", "export") || pkg == "source" {
			visit(pkg, pkg)
		}
	}
}
