package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
)

func init() {
	strategies["cold.hydrant"] = coldHydrant
	strategies["cold.download"] = coldDownload
}

// benchCold measures the first answer of a database that is not here yet, against downloading it
// first (32 connections), and how many round trips it took.
func benchCold(s settings) error {
	origin, err := shop(s, s.size)
	if err != nil {
		return err
	}
	srv, url, err := serve(s, origin)
	if err != nil {
		return err
	}
	defer srv.Close()
	all := samples{}
	for range s.rounds {
		for _, name := range []string{"download", "hydrant"} {
			f, err := runChild(srv.Env(), "cold."+name, url, filepath.Join(s.dir, "cold.db"))
			if err != nil {
				return err
			}
			all.add(name+".", f)
		}
	}
	fmt.Printf("cold start of %s, %v to first byte, %.0f MB/s per connection, medians of %d\n", sizeName(s.size), s.rtt, float64(s.bandwidth)/1e6, s.rounds)
	fmt.Printf("  %-24s %16s %16s %10s\n", "", "download, open", "hydrant", "ratio")
	for _, w := range []struct{ name, key string }{
		{"first row, ms", "row"}, {"first commit, ms", "commit"}, {"20 point queries, ms", "points"}, {"all local, ms", "local"},
	} {
		d, h := all.median("download."+w.key), all.median("hydrant."+w.key)
		fmt.Printf("  %-24s %16.0f %16.0f %9.1fx\n", w.name, d*1e3, h*1e3, d/h)
	}
	fmt.Printf("  first row: %.1f round trips; peak RSS %.0f MiB\n\n", all.median("hydrant.row")/s.rtt.Seconds(), all.median("hydrant.rss")/(1<<20))
	return nil
}

// coldDownload gets all of it, then opens it.
func coldDownload(args []string) (figures, error) {
	begin := time.Now()
	if _, err := download(args[0], args[1], 32); err != nil {
		return nil, err
	}
	defer os.Remove(args[1])
	local := time.Since(begin).Seconds()
	db, err := shopdb.OpenPlain(args[1])
	if err != nil {
		return nil, err
	}
	defer db.Close()
	f, err := firstAnswers(db, begin)
	if err == nil {
		f["local"] = local
	}
	return f, err
}

func coldHydrant(args []string) (figures, error) {
	for _, p := range []string{args[1], args[1] + "-hydrant"} {
		os.Remove(p)
		defer os.Remove(p)
	}
	begin := time.Now()
	db, err := sqlitevfs.Open(args[1], args[0], nil)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	f, err := firstAnswers(db, begin)
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec("SELECT hydrant_wait(120)"); err != nil {
		return nil, err
	}
	f["local"] = time.Since(begin).Seconds()
	return f, nil
}

// firstAnswers asks what somebody asks who has been waiting: one row, one commit, some more rows.
func firstAnswers(db *sql.DB, begin time.Time) (figures, error) {
	db.SetMaxOpenConns(1)
	f := figures{}
	var cents int64
	if err := db.QueryRow("SELECT total_cents FROM orders WHERE id = 54321").Scan(&cents); err != nil {
		return nil, err
	}
	f["row"] = time.Since(begin).Seconds()
	if _, err := db.Exec("UPDATE orders SET status = 'seen' WHERE id = 54321"); err != nil {
		return nil, err
	}
	f["commit"] = time.Since(begin).Seconds()
	var most int64
	if err := db.QueryRow("SELECT max(id) FROM orders").Scan(&most); err != nil {
		return nil, err
	}
	from := time.Now()
	for i := int64(1); i <= 20; i++ {
		if err := db.QueryRow("SELECT total_cents FROM orders WHERE id = ?", i*most/20).Scan(&cents); err != nil {
			return nil, err
		}
	}
	f["points"] = time.Since(from).Seconds()
	return f, nil
}
