package coldstart

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"hydrant/bench/report"
)

// Print runs the harness and writes what it found: to out, and to the files that the settings name.
func Print(ctx context.Context, s *Settings, out io.Writer) error {
	r, err := Run(ctx, s)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path  string
		write func(io.Writer) error
	}{{s.HTML, r.WriteHTML}, {s.Markdown, r.WriteMarkdown}, {s.Benchstat, r.WriteBenchstat}} {
		if f.path != "" {
			err = errors.Join(err, writeFile(f.path, f.write))
		}
	}
	if err != nil {
		return err
	}
	if s.JSON {
		return writeJSON(r, out)
	}
	return r.WriteTable(out)
}

func writeJSON(r *report.Report, out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func writeFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
