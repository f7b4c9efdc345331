package sqlitevfs

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/shopdb"
	"hydrant/source/sourcetest"
)

// roundTrip is the time to the first byte of the sources here. Time passes by what is waited for
// alone, so it counts round trips one after another.
const roundTrip = 30 * time.Millisecond

// far is a database far away, in a bubble: what is asked of it is counted, and takes time as it
// does from an object store.
type far struct {
	t    *testing.T
	src  *sourcetest.Fake
	db   *sql.DB
	size int64
}

// shop is a database of 64 MB, made once: trees of three levels that lie interleaved.
var shop = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hydrant-shop")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "shop.db")
	if err := shopdb.Create(context.Background(), path, shopdb.Options{Size: 64e6}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// behind is how much lies behind the database: more than what the background deals with at once.
const behind = 512 << 10

// fromFar runs f in a bubble with a connection to a clone of content; with more in its URI. What
// lies behind the database never comes, so that it is not completed: for that, connections wait in C,
// where no bubble can see that they wait.
func fromFar(t *testing.T, content []byte, more string, f func(*far)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		end := int64(len(content))
		r := &far{t: t, src: sourcetest.NewFake(append(content[:end:end], make([]byte, behind)...)), size: end}
		address := "fake:" + t.Name()
		r.src.Rename(address)
		// 80 MB/s for each connection.
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			f := sourcetest.Fault{Latency: roundTrip, Chunk: 64 << 10, Pause: 800 * time.Microsecond}
			if last := end + behind - 1; q.Off+q.Len > last {
				f.Stall, f.After = true, last-q.Off
			}
			return f
		})
		fakes.mu.Lock()
		fakes.m[address] = r.src
		fakes.mu.Unlock()
		r.db = openDSN(t, DSN(filepath.Join(tempDir(t), "a.db"), address, nil)+more)
		f(r)
		if err := r.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// row is what a query returns, one number.
func (r *far) row(query string, args ...any) (n int64) {
	r.t.Helper()
	if err := r.db.QueryRow(query, args...).Scan(&n); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// trips is how many round trips f takes, one after another.
func (r *far) trips(f func()) float64 {
	begin := time.Now()
	f()
	return float64(time.Since(begin)) / float64(roundTrip)
}

// once checks that no byte was fetched twice, but for what so many readers wanted before their turn
// in the background came.
func (r *far) once(overtaken int64) {
	r.t.Helper()
	if n := r.src.Twice(); n > overtaken*64<<10 {
		r.t.Errorf("%d bytes fetched twice", n)
	}
}

func shopContent(t *testing.T) []byte {
	t.Helper()
	b, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A scan of a table or an index, however its pages are scattered, is noticed, and then comes in
// large ranges.
func TestColdScan(t *testing.T) {
	content := shopContent(t)
	for _, test := range []struct {
		name, query string
		overtaken   int64 // windows: who goes backwards wants the end of each range first
		more        int64 // requests, for what the background, which goes forwards, leaves in pieces
	}{
		{"table", "SELECT count(*) + 0*sum(total_cents) FROM orders", 3, 0},
		{"index", "SELECT count(*) + 0*sum(customer_id) FROM orders INDEXED BY orders_customer", 3, 0},
		{"back", "SELECT count(*) FROM (SELECT id FROM orders ORDER BY created_at DESC)", 12, 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			fromFar(t, content, "", func(r *far) {
				var n int64
				trips := r.trips(func() { n = r.row(test.query) })
				requests := r.src.Requests()
				if most := 11*r.size/(8<<20)/10 + 20 + test.more; requests > most {
					t.Errorf("%d requests, want no more than %d", requests, most)
				}
				t.Logf("%d rows, %d requests, %.1f round trips", n, requests, trips)
				if want := r.row("SELECT max(id) FROM orders"); n != want {
					t.Errorf("%d rows, want %d", n, want)
				}
				r.once(test.overtaken)
			})
		})
	}
}

// Where nothing but what is wanted is fetched, a scan fetches that ahead, and little else.
func TestColdScanWithoutBackground(t *testing.T) {
	content := shopContent(t)
	fromFar(t, content, "&hydrate=off", func(r *far) {
		trips := r.trips(func() { r.row("SELECT count(*) + 0*sum(customer_id) FROM orders INDEXED BY orders_customer") })
		n := r.src.Requests()
		leaves := r.size / 4096 * 2630 / 122000 // about
		t.Logf("%d requests, %d KiB, %.1f round trips, about %d leaves", n, r.src.Delivered()>>10, trips, leaves)
		if most := leaves + 40; n > most {
			t.Errorf("%d requests, want no more than %d", n, most)
		}
		if got, most := r.src.Delivered(), (leaves+40)*16384; got > most {
			t.Errorf("%d bytes, want no more than %d", got, most)
		}
		if trips > float64(leaves)/10 {
			t.Errorf("%.0f round trips, want no more than a tenth of the leaves", trips)
		}
		r.once(0)
	})
}

// Whoever looks things up pays for the leaf, once the pages above are known.
func TestColdLookups(t *testing.T) {
	content := shopContent(t)
	fromFar(t, content, "&hydrate=off", func(r *far) {
		most := r.row("SELECT max(id) FROM orders")
		get := func(id int64) (trips float64) {
			return r.trips(func() { r.row("SELECT total_cents FROM orders WHERE id = ?", id) })
		}
		for i := range int64(3) {
			get(most * (2*i + 1) / 7)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		above := r.src.Requests()
		if most := int64(120); above > most {
			t.Errorf("%d requests for what is above, want no more than %d", above, most)
		}
		for i := range int64(20) {
			id := most * (7919*i%20 + 1) / 21
			if n := get(id); n > 1.1 {
				t.Errorf("order %d took %.1f round trips", id, n)
			}
		}
		if n := r.src.Requests() - above; n > 20 {
			t.Errorf("%d requests for 20 lookups", n)
		}
		r.once(0)
	})
}

// The first answer, and the first commit, which changes an index of four levels.
func TestColdStart(t *testing.T) {
	content := shopContent(t)
	fromFar(t, content, "", func(r *far) {
		// Opening has taken one.
		row := 1 + r.trips(func() { r.row("SELECT total_cents FROM orders WHERE id = 54321") })
		commit := row + r.trips(func() {
			if _, err := r.db.Exec("UPDATE orders SET status = 'seen' WHERE id = 54321"); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("first row %.1f round trips, first commit %.1f", row, commit)
		if row > 4 {
			t.Errorf("the first row took %.1f round trips", row)
		}
		if commit > 1.5*row && commit > 5 {
			t.Errorf("the first commit took %.1f round trips, the first row %.1f", commit, row)
		}
		if n := r.row("SELECT count(*) FROM orders WHERE status = 'seen'"); n != 1 {
			t.Errorf("%d rows changed", n)
		}
	})
}

// made is a database that queries make.
func made(t *testing.T, queries ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A schema of many pages is fetched as a whole.
func TestColdSchema(t *testing.T) {
	queries := []string{"CREATE TABLE data(b)"}
	for i := range 200 {
		queries = append(queries,
			fmt.Sprintf("CREATE TABLE t%d(%s)", i, manyColumns(40)),
			"INSERT INTO data VALUES(randomblob(60000))") // so that they lie apart
	}
	fromFar(t, made(t, queries...), "&hydrate=off", func(r *far) {
		trips := r.trips(func() { r.row("SELECT count(*) FROM t199") })
		t.Logf("%d requests, %.1f round trips", r.src.Requests(), trips)
		if trips > 3.1 {
			t.Errorf("%.1f round trips for the schema and a table", trips)
		}
		r.once(0)
	})
}

func manyColumns(n int) string {
	var s []string
	for i := range n {
		s = append(s, fmt.Sprintf("a_column_with_a_name_%d INTEGER", i))
	}
	return strings.Join(s, ", ")
}

// A long row is fetched as a whole when its first overflow page is wanted.
func TestColdOverflow(t *testing.T) {
	b := made(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)",
		"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<16) INSERT INTO t SELECT n, randomblob(2000000) FROM c")
	fromFar(t, b, "&hydrate=off", func(r *far) {
		r.row("SELECT count(*) FROM t WHERE id = 9")
		before := r.src.Requests()
		bytes := r.src.Delivered()
		trips := r.trips(func() {
			if n := r.row("SELECT length(hex(b)) FROM t WHERE id = 9"); n != 4000000 {
				t.Errorf("length %d", n)
			}
		})
		n, got := r.src.Requests()-before, r.src.Delivered()-bytes
		t.Logf("%d requests, %d KiB, %.1f round trips", n, got>>10, trips)
		if n > 2 {
			t.Errorf("%d requests for one row", n)
		}
		if got > 2_000_000+256<<10 {
			t.Errorf("%d bytes for a row of two million", got)
		}
		r.once(0)
	})
}

// VACUUM reads the tables in the order of their keys, and then all pages, to be able to put them back:
// it waits for no more than a download of all of it.
func TestColdVacuum(t *testing.T) {
	fromFar(t, shopContent(t), "", func(r *far) {
		rows := r.row("SELECT max(id) FROM orders")
		trips := r.trips(func() {
			if _, err := r.db.Exec("VACUUM"); err != nil {
				t.Fatal(err)
			}
		})
		n := r.src.Requests()
		t.Logf("%d requests, %.1f round trips", n, trips)
		if most := 11*r.size/(8<<20)/10 + 20; n > most {
			t.Errorf("%d requests, want no more than %d", n, most)
		}
		if got := r.row("SELECT count(*) FROM orders"); got != rows {
			t.Errorf("%d rows, want %d", got, rows)
		}
		r.once(3)
	})
}
