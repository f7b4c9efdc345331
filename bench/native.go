package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
	"hydrant/sqlitevfs/shim"
)

func init() {
	strategies["native"] = nativeSpeed
}

// nativeSize is the database of the comparison, bytes: small enough to stay in the page cache, so
// that what differs is the way to it.
const nativeSize = 200_000_000

// benchNative compares a hydrated clone, still open through hydrant, with the same database opened
// by SQLite's own VFS, in one process, taking turns.
func benchNative(s settings) error {
	origin, err := shop(s, nativeSize)
	if err != nil {
		return err
	}
	fmt.Printf("hydrated clone against SQLite's own VFS, %s database, medians of the ratios of paired rounds\n", sizeName(nativeSize))
	fmt.Printf("  %-24s %14s %14s %10s\n", "", "native", "hydrant", "ratio")
	f, err := runChild(nil, "native", origin, filepath.Join(s.dir, "native"))
	if err != nil {
		return err
	}
	for _, w := range workloads {
		fmt.Printf("  %-24s %14s %14s %10.3f\n", w.name, per(f[w.name+".native"]), per(f[w.name+".hydrant"]), f[w.name+".ratio"])
	}
	fmt.Printf("  Go entries of the hydrated scans: %.0f\n\n", f["entries"])
	return nil
}

func per(sec float64) string {
	return time.Duration(sec * float64(time.Second)).Round(10 * time.Nanosecond).String()
}

// shop returns the path of a shop database of about size bytes, made once.
func shop(s settings, size int64) (string, error) {
	path := filepath.Join(s.dir, fmt.Sprintf("shop-%d.db", size))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "making a database of %s\n", sizeName(size))
	return path, shopdb.Create(context.Background(), path, shopdb.Options{Size: size, Seed: 1})
}

// workload is one thing to do to a database; it returns how often it did it.
type workload struct {
	name   string
	rounds int
	setup  string // of the connection
	run    func(db *sql.DB, seed uint64) (int, error)
}

var workloads = []workload{
	{"point query", 15, "PRAGMA journal_mode=DELETE", pointQueries},
	{"full scan", 15, "PRAGMA journal_mode=DELETE", fullScan},
	{"scan with mmap", 15, "PRAGMA mmap_size=1073741824", fullScan},
	{"insert, WAL", 15, "PRAGMA mmap_size=0; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", inserts},
}

func nativeSpeed(args []string) (figures, error) {
	ctx := context.Background()
	plain, path := args[1]+".plain", args[1]+".db"
	for _, p := range []string{plain, path, path + "-hydrant"} {
		os.Remove(p)
		defer os.Remove(p)
	}
	if err := copyFile(plain, args[0]); err != nil {
		return nil, err
	}
	hyd, err := sqlitevfs.Open(path, args[0], nil)
	if err != nil {
		return nil, err
	}
	defer hyd.Close()
	hyd.SetMaxOpenConns(1)
	if _, err := hyd.Exec("SELECT hydrant_wait(120)"); err != nil {
		return nil, err
	}
	nat, err := shopdb.OpenPlain(plain)
	if err != nil {
		return nil, err
	}
	defer nat.Close()
	// How the pages of a file lie in the kernel's cache depends on how they were written: both begin
	// from the disk.
	for _, p := range []string{plain, path} {
		if err := dropCache(p); err != nil {
			return nil, err
		}
	}
	f := figures{}
	for _, w := range workloads {
		for _, db := range []*sql.DB{nat, hyd} {
			if _, err := db.ExecContext(ctx, w.setup); err != nil {
				return nil, err
			}
			if _, err := w.run(db, 0); err != nil { // warm
				return nil, err
			}
		}
		before := shim.GoEntries()
		var times [2][]float64
		var ratios []float64
		for round := range w.rounds {
			var sec [2]float64
			for i := range 2 {
				which := (i + round) % 2
				begin := time.Now()
				n, err := w.run([]*sql.DB{nat, hyd}[which], uint64(round))
				if err != nil {
					return nil, err
				}
				sec[which] = time.Since(begin).Seconds() / float64(n)
				times[which] = append(times[which], sec[which])
			}
			ratios = append(ratios, sec[1]/sec[0])
		}
		f[w.name+".native"], f[w.name+".hydrant"], f[w.name+".ratio"] = middle(times[0]), middle(times[1]), middle(ratios)
		f["entries"] += float64(shim.GoEntries() - before)
	}
	return f, nil
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func pointQueries(db *sql.DB, seed uint64) (int, error) {
	var most int64
	if err := db.QueryRow("SELECT max(id) FROM orders").Scan(&most); err != nil {
		return 0, err
	}
	st, err := db.Prepare("SELECT total_cents FROM orders WHERE id = ?")
	if err != nil {
		return 0, err
	}
	defer st.Close()
	rng := rand.New(rand.NewPCG(seed, 1))
	const n = 10_000
	for range n {
		var cents int64
		if err := st.QueryRow(1 + rng.Int64N(most)).Scan(&cents); err != nil && err != sql.ErrNoRows {
			return 0, err
		}
	}
	return n, nil
}

func fullScan(db *sql.DB, _ uint64) (int, error) {
	var n, cents int64
	return 1, db.QueryRow("SELECT count(note), sum(total_cents) FROM orders NOT INDEXED").Scan(&n, &cents)
}

func inserts(db *sql.DB, _ uint64) (int, error) {
	const n = 1000
	for range n {
		if _, err := db.Exec("INSERT INTO orders SELECT NULL, customer_id, status, total_cents, created_at, tracking, note FROM orders WHERE id = 1"); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// dropCache makes the kernel forget a file, in a descriptor that stays open: closing it would take
// SQLite's locks along.
func dropCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	runtime.SetFinalizer(f, nil)
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}
