package sqlitevfs

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openErr is what opening says, in the way that users see it.
func openErr(dsn string) error {
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Ping()
}

// Whatever keeps a database from being opened says what it is and what to do, through
// database/sql.
func TestErrorsHaveWords(t *testing.T) {
	dir := tempDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	src, other, plain := in("src.db"), in("other.db"), in("plain.db")
	makeSource(t, src, build{rows: 300})
	makeSource(t, other, build{rows: 3})
	makeSource(t, plain, build{rows: 3})
	write := func(name, content string) string {
		t.Helper()
		if err := os.WriteFile(in(name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	clone := func(name string) string {
		t.Helper()
		closeDB(t, openDSN(t, DSN(in(name), src, &Params{NoHydrate: true})))
		return in(name)
	}
	more := func(key, value string) *Params { return &Params{More: map[string]string{key: value}} }
	remove := func(path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}

	orphan := clone("orphan.db")
	remove(orphan + "-hydrant")
	noDest := clone("nodest.db")
	remove(noDest)
	damaged := clone("damaged.db")
	write("damaged.db-hydrant", strings.Repeat("x", 100000))
	live := clone("live.db")
	write("side.db-wal", "somebody's")
	swapped := clone("swapped.db")
	copyFile(t, plain, swapped)
	linked := clone("linked.db")
	if err := os.Link(linked, in("linked2.db")); err != nil {
		t.Fatal(err)
	}

	for name, tt := range map[string]struct {
		dsn  string
		says []string
	}{
		"no such source":     {DSN(in("a.db"), in("none.db"), nil), []string{"a.db", "none.db", "source not found"}},
		"unknown scheme":     {DSN(in("a.db"), "ftp://h/x", nil), []string{"ftp", "want a path"}},
		"orphan":             {DSN(orphan, "", nil), []string{orphan, orphan + "-hydrant", "put that back"}},
		"orphan with source": {DSN(orphan, src, nil), []string{orphan, orphan + "-hydrant", "put that back"}},
		"no dest":            {DSN(noDest, "", nil), []string{noDest, "missing"}},
		"damaged state":      {DSN(damaged, "", nil), []string{damaged, "put back a copy"}},
		"other source":       {DSN(live, other, nil), []string{live, src, other}},
		"absent other":       {DSN(live, in("none.db"), nil), []string{live, src, in("none.db")}},
		"replaced dest":      {DSN(swapped, "", nil), []string{swapped, swapped + "-hydrant"}},
		"hard link":          {DSN(linked, "", nil), []string{linked, "hard link"}},
		"itself":             {DSN(live, live, nil), []string{live}},
		"side file":          {DSN(in("side.db"), src, nil), []string{in("side.db-wal"), "move"}},
		"empty file":         {DSN(write("empty.db", ""), src, nil), []string{"empty.db", "empty file", "delete it"}},
		"unknown key":        {DSN(in("a.db"), src, more("bandwith", "1MB")), []string{"bandwith", "not a parameter"}},
		"unknown on clone":   {DSN(live, "", more("bandwith", "1MB")), []string{"bandwith"}},
		"bad value":          {DSN(in("a.db"), src, more("bandwidth", "fast")), []string{"bandwidth", "fast", "20MB"}},
		"bad timeout":        {DSN(in("a.db"), src, more("timeout", "1us")), []string{"timeout"}},
		"immutable":          {DSN(live, "", more("immutable", "1")), []string{"immutable", "incomplete"}},
		"sync":               {DSN(live, "", more("sync", "commit")), []string{"sync=commit is not supported yet"}},
		"sync on plain":      {DSN(plain, "", more("sync", "1s")), []string{"sync=1s is not supported yet"}},
		"follow":             {DSN(plain, "", more("follow", "on")), []string{"follow=on is not supported yet"}},
		"at":                 {DSN(in("a.db"), src, more("at", "12")), []string{"at=12 is not supported yet"}},
		"memory alone":       {DSN(in("a.db"), "", &Params{Memory: true}), []string{"dest=memory", "source="}},
		"internal":           {DSN(live, "", more("_hydrant", "1")), []string{"internal"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := openErr(tt.dsn)
			if err == nil {
				t.Fatal("no error")
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q says nothing of %q", err, s)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if fileExists(t, in("a.db")) || fileExists(t, in("a.db-hydrant")) {
				t.Error("something was left behind")
			}
		})
	}
	t.Run("attached", func(t *testing.T) {
		db := openPlain(t, plain)
		if _, err := db.Exec(`ATTACH '` + DSN(orphan, "", nil) + `' AS x`); err == nil {
			t.Fatal("no error")
		}
		if got := get[string](t, db, `SELECT hydrant_last_error()`); !strings.Contains(got, "put that back") {
			t.Errorf("hydrant_last_error() is %q", got)
		}
	})
	// Nobody was hurt.
	db := openDSN(t, DSN(live, src, nil))
	same(t, db, openPlain(t, src))
}

// What is none of our business is opened as ever.
func TestPlain(t *testing.T) {
	dir := tempDir(t)
	src, plain := filepath.Join(dir, "src.db"), filepath.Join(dir, "plain.db")
	makeSource(t, src, build{rows: 10})
	more := map[string]string{"sync": "off", "follow": "off", "whatever": "1", "hydrate": "nonsense"}
	db := openDSN(t, DSN(plain, "", &Params{More: more}))
	run(t, db, schema, fill(1, 10), `PRAGMA journal_mode=WAL`)
	if got := get[string](t, db, `SELECT hydrant_status()`); !strings.Contains(got, `"state":"detached"`) {
		t.Error(got)
	}
	closeDB(t, db)
	wantGone(t, plain)
	// source= on a plain file changes nothing.
	db = openDSN(t, DSN(plain, src, nil))
	if got := get[int](t, db, `SELECT count(*) FROM t`); got != 10 || fileExists(t, plain+"-hydrant") {
		t.Error(got)
	}
}

// A source that is gone is no reason not to serve what is local.
func TestSourceGone(t *testing.T) {
	dir := tempDir(t)
	src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
	makeSource(t, src, build{rows: 3000})
	db := openDSN(t, DSN(path, src, &Params{NoHydrate: true}))
	run(t, db, `INSERT INTO log(what) VALUES ('here')`)
	closeDB(t, db)
	if err := os.Rename(src, src+".gone"); err != nil {
		t.Fatal(err)
	}
	db = openDSN(t, DSN(path, src, nil))
	if got := get[string](t, db, `SELECT what FROM log`); got != "here" {
		t.Error(got)
	}
	_, err := db.Exec(`SELECT sum(length(c)) FROM t`)
	if err == nil || !strings.Contains(err.Error(), "disk I/O error") {
		t.Errorf("cold read: %v", err)
	}
	if got := get[string](t, db, `SELECT hydrant_last_error()`); !strings.Contains(got, "not found") || !strings.Contains(got, path) {
		t.Errorf("hydrant_last_error() is %q", got)
	}
}

func TestEnvironment(t *testing.T) {
	dir := tempDir(t)
	src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
	makeSource(t, src, build{rows: 300})
	t.Setenv("HYDRANT_DB", path)
	t.Setenv("HYDRANT_SOURCE", src)
	t.Setenv("HYDRANT_HYDRATE", "off")
	t.Setenv("HYDRANT_SYNC", "") // as if it were not there
	db := openDSN(t, DSN(path, "", nil))
	if got := get[string](t, db, `SELECT hydrant_status()`); !strings.Contains(got, `"state":"paused"`) {
		t.Error(got)
	}
	other := openDSN(t, DSN(filepath.Join(dir, "other.db"), "", nil))
	run(t, other, schema)
	if fileExists(t, filepath.Join(dir, "other.db-hydrant")) {
		t.Error("the environment reached another database")
	}
}
