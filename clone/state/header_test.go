package state

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The comment of each word in Header begins with its offset, for those who read it in other
// languages. This holds the two together.
func TestHeaderLiesWhereItsCommentsSay(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "header.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	offset := regexp.MustCompile(`^\s*(\d+)`)
	header := reflect.TypeFor[Header]()
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Header" {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			m := offset.FindStringSubmatch(f.Comment.Text())
			if m == nil {
				t.Errorf("%s has no offset in its comment", f.Names[0])
				continue
			}
			want, _ := strconv.Atoi(m[1])
			field, ok := header.FieldByName(f.Names[0].Name)
			if !ok || field.Offset != uintptr(want) {
				t.Errorf("%s is at %d, its comment says %d", f.Names[0], field.Offset, want)
			}
			seen++
		}
		return false
	})
	if seen != header.NumField() {
		t.Errorf("saw %d of %d fields", seen, header.NumField())
	}
	if header.Size() > headerSize {
		t.Errorf("header of %d bytes in room for %d", header.Size(), headerSize)
	}
}

func TestHeaderFirstBytes(t *testing.T) {
	var h Header
	want := [FirstBytes]byte{0: 1, 7: 8, 8: 9, 15: 16}
	h.SetFirst(want)
	if got := h.GetFirst(); got != want {
		t.Errorf("got %v", got)
	}
	if h.First[0].Load() != 1|8<<56 {
		t.Error("not little-endian")
	}
}

func TestHeaderError(t *testing.T) {
	var h Header
	for _, want := range []string{"", "a", "eight by", "nine byte", strings.Repeat("long ", 102) + "xx", ""} {
		h.SetError(want)
		if got := h.GetError(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	h.SetError(strings.Repeat("ü", 1000))
	if got := h.GetError(); len(got) > 512 || strings.Trim(got, "ü") != "" {
		t.Errorf("cut to %q", got)
	}
	if h.ErrSeq.Load()%2 != 0 {
		t.Error("still being changed")
	}
	h.ErrLen.Store(1 << 60) // by whoever damaged it
	_ = h.GetError()
}
