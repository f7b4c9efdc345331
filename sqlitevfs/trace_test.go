package sqlitevfs

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/clone/trace"
)

// application is what a program asks first.
func application(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, id := range []int{20_000, 3, 11_111, 11_130, 29_999} {
		if got := get[int](t, db, fmt.Sprintf("SELECT a FROM t WHERE id = %d", id)); got != id*7919%1000 {
			t.Errorf("row %d has %d", id, got)
		}
	}
	get[int](t, db, "SELECT count(*) FROM t WHERE a = 77")
	get[string](t, db, "SELECT max(b) FROM t")
}

// hereAlready tells whether all that tr names is local in the clone at path.
func hereAlready(t *testing.T, path string, tr *trace.Trace) bool {
	t.Helper()
	f, err := state.PathStore(path, 0).OpenReadOnly()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := state.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range tr.Within(st.Super.Size, 0).Ranges {
		for at := r.Off; at < r.End(); at += st.Super.RegionSize {
			if !st.Maps[state.Hydrated].Test(uint64(at / st.Super.RegionSize)) {
				return false
			}
		}
	}
	return true
}

// What one run of a program has read, the next asks for when it is opened: when that is there, the
// program asks the source for nothing more. What SQLite reads of the local file, because it came with
// something else, belongs to it.
func TestTraceOfAnApplication(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	src := filepath.Join(dir, "src.db")
	makeSource(t, src, build{rows: 30_000})
	off := &Params{NoHydrate: true}

	one := filepath.Join(dir, "one.db")
	db := openDSN(t, DSN(one, src, off))
	application(t, db)
	cold := inspected(t, one).Requests
	closeDB(t, db)
	kept, err := clone.ReadTraces(one)
	if err != nil {
		t.Fatal(err)
	}
	if kept.Recorded == nil || kept.Given != nil {
		t.Fatalf("kept %+v", kept)
	}
	if first := kept.Recorded.Ranges[0]; first.Off != 0 {
		t.Errorf("the trace begins with %+v, and not with the first page, which is read first, and came with opening", first)
	}
	if err := os.WriteFile(src+trace.Suffix, kept.Recorded.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}

	two := filepath.Join(dir, "two.db")
	db = openDSN(t, DSN(two, src, off))
	for deadline := time.Now().Add(time.Minute); !hereAlready(t, two, kept.Recorded); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the trace names does not come")
		}
	}
	before := inspected(t, two).Requests
	application(t, db)
	if after := inspected(t, two).Requests; after != before {
		t.Errorf("%d requests for what a trace knows, beyond %d at opening; %d without it", after-before, before, cold)
	}
	closeDB(t, db)

	// What was fetched ahead was wanted again, and that was noticed.
	again, err := clone.ReadTraces(two)
	if err != nil {
		t.Fatal(err)
	}
	missing := trace.Merge(again.Recorded, kept.Recorded)
	for _, r := range missing.Ranges {
		if r.Seen != 2 {
			t.Errorf("only one of two runs has recorded %+v", r)
		}
	}
	if again.Given == nil || again.Given.Bytes() != kept.Recorded.Bytes() {
		t.Error("the trace that it was begun with was not kept")
	}
}

func inspected(t *testing.T, path string) clone.Status {
	t.Helper()
	s, err := clone.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
