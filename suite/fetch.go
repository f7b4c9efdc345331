package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// fetch leaves SQLite's sources in .build/suite/src. They come from the mirrors that this machine's
// apt is configured for, with lists of its own, so that the machine's are not touched.
func (c *config) fetch(ctx context.Context) error {
	src := filepath.Join(c.build, "src")
	if _, err := os.Stat(filepath.Join(src, "manifest.uuid")); err == nil {
		return nil
	}
	dir := filepath.Join(c.build, "apt")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Join(dir, "lists", "partial"), 0o755), os.MkdirAll(filepath.Join(dir, "cache", "archives", "partial"), 0o755)); err != nil {
		return err
	}
	list, err := sourceLines("/etc/apt")
	if err != nil {
		return err
	}
	sources := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(sources, []byte(list), 0o644); err != nil {
		return err
	}
	apt := []string{
		"-q", "-o", "Dir::Etc::sourcelist=" + sources, "-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State::lists=" + filepath.Join(dir, "lists"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"), "-o", "APT::Sandbox::User=root",
	}
	if err := command(ctx, dir, "apt-get", append(apt, "update")...); err != nil {
		return err
	}
	if err := command(ctx, dir, "apt-get", append(apt, "source", "--download-only", "sqlite3")...); err != nil {
		return fmt.Errorf("the source package of Debian's sqlite3 cannot be had: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "sqlite3_*.orig.tar.*"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("want one sqlite3_….orig.tar, got %q (%w)", found, err)
	}
	part := src + ".part"
	if err := errors.Join(os.RemoveAll(part), os.RemoveAll(src), os.Mkdir(part, 0o755)); err != nil {
		return err
	}
	if err := command(ctx, dir, "tar", "-xf", found[0], "-C", part, "--strip-components=1"); err != nil {
		return err
	}
	return os.Rename(part, src)
}

// Lines of apt's two formats. What is behind "deb " may begin with options in brackets.
var (
	oneLine = regexp.MustCompile(`(?m)^deb\s+(.*)$`)
	field   = regexp.MustCompile(`(?m)^(Types|URIs|Suites|Components|Signed-By|Enabled):[ \t]*(.*)$`)
	stanza  = regexp.MustCompile(`\n[ \t]*\n`)
)

// sourceLines turns the deb lines of the distribution in dir, which is apt's folder, into deb-src
// lines. Other repositories, which have no component main, are left out.
func sourceLines(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	if err != nil {
		return "", err
	}
	var out []string
	for _, name := range append(files, filepath.Join(dir, "sources.list")) {
		b, err := os.ReadFile(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return "", err
		case strings.HasSuffix(name, ".sources"):
			for _, s := range stanza.Split(string(b), -1) {
				out = append(out, sourceStanza(s)...)
			}
		case strings.HasSuffix(name, ".list"):
			for _, m := range oneLine.FindAllStringSubmatch(string(b), -1) {
				if words := strings.Fields(m[1]); len(words) > 2 && words[len(words)-1] != "" && strings.Contains(m[1], " main") {
					out = append(out, "deb-src "+m[1])
				}
			}
		}
	}
	if len(out) == 0 {
		return "", fmt.Errorf("%s names no repository with a component main", dir)
	}
	return strings.Join(out, "\n") + "\n", nil
}

// sourceStanza is the same for a stanza of a .sources file.
func sourceStanza(s string) (lines []string) {
	f := map[string]string{}
	for _, m := range field.FindAllStringSubmatch(s, -1) {
		f[m[1]] = strings.TrimSpace(m[2])
	}
	if f["Enabled"] == "no" || !strings.Contains(" "+f["Types"]+" ", " deb ") || !strings.Contains(" "+f["Components"]+" ", " main ") {
		return nil
	}
	options := ""
	if key := f["Signed-By"]; key != "" {
		options = "[signed-by=" + key + "] "
	}
	for _, uri := range strings.Fields(f["URIs"]) {
		for _, suite := range strings.Fields(f["Suites"]) {
			lines = append(lines, "deb-src "+options+uri+" "+suite+" "+f["Components"])
		}
	}
	return lines
}

// command runs a program in dir, and returns what it said when it fails.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[len(args)-1], err, tail(out, 4000))
	}
	return nil
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
