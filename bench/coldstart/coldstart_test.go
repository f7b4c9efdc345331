package coldstart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hydrant/bench/report"
	"hydrant/internal/s3test"
	"hydrant/internal/shopdb"
)

// childMark is the first word of the command line of a process that a test has started.
const childMark = "a-child-of-the-harness"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childMark {
		if err := Child(context.Background(), os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func tiny(t *testing.T, only string) *Settings {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := New()
	s.Size, s.RTT, s.Bandwidth, s.Runs, s.Only = 2e6, 2*time.Millisecond, 200e6, 1, only
	s.Dir = t.TempDir()
	s.Child = []string{self, childMark}
	return s
}

// TestColdstart runs the harness from end to end, small.
func TestColdstart(t *testing.T) {
	s := tiny(t, "first,scan,hydrate,during,blob")
	s.HTML, s.Benchstat = filepath.Join(s.Dir, "page.html"), filepath.Join(s.Dir, "samples.txt")
	var out strings.Builder
	if err := Print(t.Context(), s, &out); err != nil {
		t.Fatal(err)
	}
	for _, st := range ownStrategies() {
		if !strings.Contains(out.String(), st.Title) {
			t.Errorf("nothing is said of %q", st.Title)
		}
	}
	for _, path := range []string{s.HTML, s.Benchstat} {
		if info, err := os.Stat(path); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", path, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.Dir, work+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// TestCounts checks what is exact: what the server counted of each strategy.
func TestCounts(t *testing.T) {
	if testing.Short() {
		t.Skip("another run from end to end")
	}
	r, err := Run(t.Context(), tiny(t, "first,scan"))
	if err != nil {
		t.Fatal(err)
	}
	get := func(strategy, figure string) float64 {
		v, ok := r.Samples.Median(strategy, figure)
		if !ok {
			t.Errorf("%s: no %s", strategy, figure)
		}
		return v
	}
	for _, s := range []string{native, hydrated} {
		if n := get(s, "first.requests") + get(s, "scan.requests"); n != 0 {
			t.Errorf("%s: %v requests", s, n)
		}
	}
	if n := get(fetched, "first.row.bytes"); n < float64(r.Size) {
		t.Errorf("download: the first row after %v bytes of %d", n, r.Size)
	}
	if needed, got := get(native, "first.row.needed"), get(pages, "first.row.bytes"); needed < 2*4096 || got < needed {
		t.Errorf("a row takes %v bytes, and pages sent %v", needed, got)
	}
	if n := get(pages, "first.bytes"); n >= float64(r.Size) {
		t.Errorf("remote pages: %v bytes of %d, for a few rows", n, r.Size)
	}
	if n := get(cold, "first.bytes"); n < float64(r.Size) {
		t.Errorf("cold: all is local after %v bytes of %d", n, r.Size)
	}
	if n := get(half, "first.bytes"); n >= float64(r.Size) {
		t.Errorf("half hydrated: %v bytes of %d", n, r.Size)
	}
}

// TestForeignServer measures a database that somebody else serves, of which nothing can be counted.
func TestForeignServer(t *testing.T) {
	if testing.Short() {
		t.Skip("another run from end to end")
	}
	path := filepath.Join(t.TempDir(), "shop.db")
	if err := shopdb.Create(t.Context(), path, shopdb.Options{Size: 2e6}); err != nil {
		t.Fatal(err)
	}
	srv := s3test.Start(t, s3test.Options{Network: s3test.Network{Latency: s3test.Fixed(3 * time.Millisecond), Bandwidth: 200e6}})
	if _, err := srv.PutFile("theirs", "shop.db", path); err != nil {
		t.Fatal(err)
	}
	for k, v := range srv.Env() {
		t.Setenv(k, v)
	}
	s := tiny(t, "first,tenants")
	s.Source = srv.Source("theirs", "shop.db")
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if r.RTT < 0.003 || r.Size < 2e6 {
		t.Errorf("measured %v s to the first byte, %d bytes", r.RTT, r.Size)
	}
	said := strings.Join(r.Notes, "\n")
	for _, want := range []string{"not ours", "left out"} {
		if !strings.Contains(said, want) {
			t.Errorf("what was left out is not said: %q", said)
		}
	}
	for _, row := range r.Rows {
		if strings.Contains(row.What, "requests") || row.Strategy == "hydrant, with a trace" {
			t.Errorf("nobody can have measured %+v", row)
		}
	}
	if n := len(srv.Keys("theirs", "")); n != 1 {
		t.Errorf("%d objects on a server that is not ours", n)
	}
}

func TestSettings(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"size": func(s *Settings) { s.Size = 10 }, "runs": func(s *Settings) { s.Runs = 0 },
		"rtt": func(s *Settings) { s.RTT = -1 }, "bandwidth": func(s *Settings) { s.Bandwidth = -1 },
		"only": func(s *Settings) { s.Only = "first,nonsense" },
	} {
		s := New()
		change(s)
		if _, err := Run(t.Context(), s); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "--"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChildArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"nonsense"}} {
		if err := Child(t.Context(), args, nil); !errors.Is(err, ErrSettings) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestDuplicates(t *testing.T) {
	a := func(key string, off, sent int64) s3test.Access { return s3test.Access{Key: key, Off: off, Sent: sent} }
	for _, c := range []struct {
		name string
		log  []s3test.Access
		want int64
	}{
		{"none", nil, 0},
		{"apart, out of order", []s3test.Access{a("k", 100, 50), a("k", 0, 100)}, 0},
		{"twice", []s3test.Access{a("k", 0, 100), a("k", 0, 100)}, 100},
		{"overlapping", []s3test.Access{a("k", 0, 100), a("k", 60, 100)}, 40},
		{"inside", []s3test.Access{a("k", 0, 100), a("k", 20, 10), a("k", 50, 100)}, 60},
		{"another object", []s3test.Access{a("k", 0, 100), a("l", 0, 100)}, 0},
	} {
		if got := duplicates(c.log); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestDescend checks the chain of pages against the rows: what a row says is on the leaf.
func TestDescend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	if err := shopdb.Create(t.Context(), path, shopdb.Options{Size: 6e6, PageSize: 1024}); err != nil {
		t.Fatal(err)
	}
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	table, err := longestTable(t.Context(), db)
	if err != nil || table.name != "orders" {
		t.Fatalf("the longest table is %q, %v", table.name, err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for id := int64(1); id <= table.most; id += table.most/97 + 1 {
		var tracking string
		if err := db.QueryRow("SELECT tracking FROM orders WHERE id = ?", id).Scan(&tracking); err != nil {
			t.Fatal(err)
		}
		pages, err := descend(path, table.root, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(pages) != 3 || pages[0] != (table.root-1)*1024 {
			t.Errorf("row %d: by way of %v", id, pages)
		}
		if leaf := pages[len(pages)-1]; !strings.Contains(string(file[leaf:leaf+1024]), tracking) {
			t.Errorf("row %d is not on the page at %d", id, leaf)
		}
	}
}

// TestStudy checks what is asked of a database that is not a shop.
func TestStudy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`CREATE TABLE "a ""b"(x TEXT UNIQUE, "n n" INT); CREATE INDEX i ON "a ""b"("n n");
		CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES(1, 2);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000) INSERT INTO "a ""b" SELECT 'row ' || i, i % 100 FROM c`)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := study(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if db, err = shopdb.OpenPlain(path); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []struct {
		sql  string
		args []any
	}{{w.Point, []any{w.First}}, {w.Range, nil}, {w.Scan, nil}, {w.Touch, []any{w.First}}, {w.Insert, []any{w.First}}} {
		if _, err := db.Exec(q.sql, q.args...); err != nil {
			t.Errorf("%s: %v", q.sql, err)
		}
	}
	if w.Insert != w.Touch {
		t.Errorf("rows are copied where one column is unique: %s", w.Insert)
	}
}

// TestJudge checks bounds, ratios and verdicts on figures that are made up.
func TestJudge(t *testing.T) {
	s := New()
	s.RTT = 100 * time.Millisecond
	r := &run{Settings: s, work: &workload{Size: 80 << 20, Chain: 3}, report: &report.Report{Samples: report.Samples{}, Strategy: ownStrategies()}}
	for strategy, f := range map[string]map[string]float64{
		native:         {"first.row.at": 0.001, "scan.scan.at": 0.5},
		cold:           {"first.row.at": 0.45, "first.commit.at": 0.9, "scan.scan.at": 1.2, "scan.scan.bytes": 80 << 20, "scan.scan.requests": 31, "hydrate.rate": 79 << 20, "memory.big.rss": 65 << 20, "memory.size.rss": 63 << 20},
		pages:          {"first.row.at": 0.6},
		hydrated:       {"native.point.hydrant": 11e-6, "native.point.ratio": 1.1, "native.point.entries": 0},
		rangedName(16): {"hydrate.written": 0.8, "hydrate.synced": 1.1},
		rangedName(32): {"hydrate.written": 1, "hydrate.synced": 1},
	} {
		r.report.Samples.Add(strategy, f)
	}
	r.report.Latencies = []report.Latency{{Strategy: cold, Queries: []report.Query{{Took: 0.29, Cold: true}, {Took: 2e-5}}}, {Strategy: beside, Queries: []report.Query{{Took: 9e-6}}}}
	judge(r)
	type verdict struct{ bound, ratio, target, says string }
	for what, want := range map[string]verdict{
		"first row/hydrant, cold":                      {"400 ms", "1.12×", "≤ 1.25×", "met"},
		"first row/hydrant, hydrate=off":               {"300 ms", "2.0×", "", ""},
		"first commit/hydrant, cold":                   {"450 ms", "2.0×", "≤ 1.50×", "missed"},
		"time/hydrant, cold":                           {"800 ms", "1.50×", "≤ 1.25×", "missed"},
		"requests/hydrant, cold":                       {"10", "3.1×", "≤ 31", "met"},
		"rate, synced/hydrant, cold":                   {"83.9 MB/s", "0.99×", "≥ 0.95×", "met"},
		"peak RSS, a sparse 100 GiB/hydrant, cold":     {"", "", "≤ 64.0 MiB", "missed"},
		"peak RSS, 477 MiB/hydrant, cold":              {"", "", "≤ 64.0 MiB", "met"},
		"point query/hydrant, hydrated":                {"10.0 µs", "1.10×", "≤ 1.02×", "missed"},
		"Go entries in all of these/hydrant, hydrated": {"", "", "≤ 0", "met"},
		"cold pages, p99 (of 1)/hydrant, cold":         {"100 ms", "2.9×", "≤ 3.0×", "met"},
		"hydrated pages, p99 (of 1)/hydrant, cold":     {"9.00 µs", "2.2×", "≤ 2.0×", "missed"},
	} {
		found := false
		for _, row := range r.report.Rows {
			if row.What+"/"+row.Strategy != what {
				continue
			}
			found = true
			if got := (verdict{row.BoundText(), row.RatioText(), row.Target, row.Verdict()}); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		if !found {
			t.Errorf("no row for %s", what)
		}
	}
}
