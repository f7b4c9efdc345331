package main

import (
	"slices"
	"strings"
	"testing"
)

func split(script string) (statements []string) {
	var s splitter
	for i := range len(script) {
		if st, ok := s.feed(script[i]); ok && st != "" {
			statements = append(statements, strings.TrimSpace(st))
		}
	}
	if st := s.rest(); st != "" {
		statements = append(statements, strings.TrimSpace(st))
	}
	return statements
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		script string
		want   []string
	}{
		{"", nil},
		{" ;; -- nothing\n; /* ; */ ;", nil},
		{"SELECT 1", []string{"SELECT 1"}},
		{"a;b;", []string{"a;", "b;"}},
		{"SELECT ';';SELECT \";\", `;`, [;];x", []string{"SELECT ';';", "SELECT \";\", `;`, [;];", "x"}},
		{"SELECT 'it''s;';x", []string{"SELECT 'it''s;';", "x"}},
		{"SELECT 1 -- ;\n;x", []string{"SELECT 1 -- ;\n;", "x"}},
		{"SELECT 1 - -1 / 2;x", []string{"SELECT 1 - -1 / 2;", "x"}},
		{"/* ; **/ SELECT 1 /*/ ; */;x", []string{"/* ; **/ SELECT 1 /*/ ; */;", "x"}},
		{
			"CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; END;x",
			[]string{"CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; END;", "x"},
		},
		{
			"explain create temp trigger t begin a; end /* ; */;x",
			[]string{"explain create temp trigger t begin a; end /* ; */;", "x"},
		},
		{
			"CREATE TRIGGER t BEGIN a; 'END'; END/2; END\n;x",
			[]string{"CREATE TRIGGER t BEGIN a; 'END'; END/2; END\n;", "x"},
		},
		{"DROP TRIGGER t;x", []string{"DROP TRIGGER t;", "x"}},
		{"CREATE TABLE trigger_end(a); BEGIN; END;x", []string{"CREATE TABLE trigger_end(a);", "BEGIN;", "END;", "x"}},
	} {
		if got := split(c.script); !slices.Equal(got, c.want) {
			t.Errorf("%q\n got %q\nwant %q", c.script, got, c.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a;b; -- c\n'd;'")
	f.Fuzz(func(t *testing.T, script string) {
		var s splitter
		fed := 0
		for i := range len(script) {
			if st, ok := s.feed(script[i]); ok {
				if st != "" && !strings.HasSuffix(st, ";") {
					t.Errorf("%q: a statement that ends without a semicolon: %q", script, st)
				}
				fed = i + 1
			}
		}
		if rest := s.rest(); rest != "" && rest != script[fed:] {
			t.Errorf("%q: rest %q, want %q", script, rest, script[fed:])
		}
	})
}

// FuzzSplitAgain: what was cut out of a script is one statement by itself too, and nothing of the
// script is lost or comes twice.
func FuzzSplitAgain(f *testing.F) {
	f.Add("a;b; -- c\n'd;'")
	f.Add("create temp trigger t begin a; end /* ; */;x;")
	f.Add("/*/;*/-;-\n--;\n[;];`;")
	f.Fuzz(func(t *testing.T, script string) {
		var s splitter
		at := 0
		for i := range len(script) {
			st, ok := s.feed(script[i])
			if !ok {
				continue
			}
			if whole := script[at : i+1]; st != "" && st != whole {
				t.Fatalf("%q: cut out %q, want %q", script, st, whole)
			}
			at = i + 1
			if st == "" {
				continue
			}
			var again splitter
			for j := range len(st) {
				if got, ok := again.feed(st[j]); ok != (j == len(st)-1) || ok && got != st {
					t.Fatalf("%q: %q is %q by itself, at %d", script, st, got, j)
				}
			}
		}
	})
}
