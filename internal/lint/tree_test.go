package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "hydrant"
)

// goFile is a Go file of the module, parsed with its comments.
type goFile struct {
	name    string // from the root, with slashes
	pkg     string // directory of name
	test    bool   // *_test.go
	imports []string
	syntax  *ast.File
	fset    *token.FileSet
}

// where is a position for messages.
func (f *goFile) where(p token.Pos) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(p).Line)
}

// tree returns all Go files of the module, whatever their build constraints.
var tree = sync.OnceValues(func() (files []*goFile, err error) {
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return skipDir(name, e.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parse(fset, name)
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	return files, err
})

// skipDir leaves out what the go command leaves out: hidden directories, test data, and modules
// of their own.
func skipDir(name, base string) error {
	if name == root {
		return nil
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func parse(fset *token.FileSet, name string) (*goFile, error) {
	syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	f := &goFile{name: filepath.ToSlash(rel), syntax: syntax, fset: fset}
	f.pkg = path.Dir(f.name)
	f.test = strings.HasSuffix(f.name, "_test.go")
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		f.imports = append(f.imports, imported)
	}
	return f, nil
}

func files(t *testing.T) []*goFile {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all
}

// ours returns the directory of a package of this module.
func ours(imported string) (pkg string, ok bool) {
	return strings.CutPrefix(imported, module+"/")
}

// under reports whether p is one of the paths or below one.
func under(p string, paths ...string) bool {
	return slices.ContainsFunc(paths, func(dir string) bool {
		return p == dir || strings.HasPrefix(p, dir+"/")
	})
}
