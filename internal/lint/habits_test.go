package lint

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestNames checks that files and packages are named after the one thing in them.
func TestNames(t *testing.T) {
	vague := regexp.MustCompile(`^(utils?|helpers?|common|misc)$`)
	for _, f := range files(t) {
		base := strings.TrimSuffix(path.Base(f.name), ".go")
		first, _, _ := strings.Cut(base, "_")
		if vague.MatchString(first) {
			t.Errorf("%s: a file is named after what is in it", f.name)
		}
		if vague.MatchString(path.Base(f.pkg)) {
			t.Errorf("%s: a package is named after what is in it", f.pkg)
		}
	}
}

// TestPackageComments checks that every package says what it is, in one file.
func TestPackageComments(t *testing.T) {
	docs := map[string]int{}
	for _, f := range files(t) {
		if f.test {
			continue
		}
		if f.syntax.Doc == nil {
			docs[f.pkg] += 0 // it is a package all the same
			continue
		}
		docs[f.pkg]++
		want := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name == "main" {
			want = "Command " + path.Base(f.pkg) + " "
		}
		if text := f.syntax.Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment does not begin with %q", f.name, want)
		}
	}
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("%s: %d package comments, want one", pkg, n)
		}
	}
}

// TestNoNotesToSelf checks that what is left to do is not left in the code.
func TestNoNotesToSelf(t *testing.T) {
	note := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	for _, f := range files(t) {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if found := note.FindString(c.Text); found != "" {
					t.Errorf("%s: %s in a comment", f.where(c.Pos()), found)
				}
			}
		}
	}
}

// TestNoInit checks that nothing happens because a package is linked in: init functions are for
// commands.
func TestNoInit(t *testing.T) {
	for _, f := range files(t) {
		if f.test || under(f.pkg, "cmd", "sqlitevfs/extension", "bench") {
			continue
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init is only for commands", f.where(fn.Pos()))
			}
		}
	}
}
