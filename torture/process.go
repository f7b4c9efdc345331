package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// startup is more than a child needs to begin, or to end when it has been killed.
const startup = 20 * time.Second

// Process is a child as its parent sees it.
type Process struct {
	Spec   Spec
	Killed atomic.Bool // however it ends, that is no failure

	wrapped    bool // by what may kill it
	unreadable bool // by what fails its reads
	cmd        *exec.Cmd
	in         io.WriteCloser
	pipe       *os.File
	out        *bufio.Scanner
	greeted    chan struct{} // closed when it has said something: it runs, and is traced if it is to be
	done       chan struct{} // closed when it is over, with err set before
	err        error
	heard      atomic.Int64 // when it last said something, nanoseconds since 1970
	hadMoved   int64        // what moved said last
	stoodSince time.Time    // and when
	close      sync.Once
}

// Launch says how a child is started.
type Launch struct {
	Spec   Spec
	Env    []string // in addition to the parent's
	Wrap   []string // a command that runs the one which follows, in the same process: strace -D
	Stderr io.Writer
	// Hear is called for each event, one at a time.
	Hear func(*Process, Event)
}

// Start runs this program as a child. The program has to call Child.
func Start(l Launch) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(l.Spec)
	if err != nil {
		return nil, err
	}
	args := append(append([]string{}, l.Wrap...), self, childMark, string(spec))
	p := &Process{Spec: l.Spec, cmd: exec.Command(args[0], args[1:]...), wrapped: len(l.Wrap) > 0, unreadable: slices.Contains(l.Wrap, "trace=pread64"), greeted: make(chan struct{}), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), l.Env...)
	p.cmd.Stderr = l.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.pipe = out.(*os.File)
	p.out = bufio.NewScanner(out)
	p.heard.Store(time.Now().UnixNano())
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.listen(l.Hear)
	return p, nil
}

func (p *Process) listen(hear func(*Process, Event)) {
	defer close(p.done)
	for first := true; p.out.Scan(); first = false {
		if first {
			close(p.greeted)
		}
		p.heard.Store(time.Now().UnixNano())
		var e Event
		if err := json.Unmarshal(p.out.Bytes(), &e); err != nil {
			e = Event{What: SaidBroken, Text: fmt.Sprintf("a child says %q", p.out.Text())}
		}
		if hear != nil {
			hear(p, e)
		}
	}
	p.err = p.cmd.Wait()
}

// Kill ends the child as kill -9 does, and returns when it is over: what it has said was heard.
func (p *Process) Kill() {
	p.shoot()
	select {
	case <-p.done:
	case <-time.After(startup): // whoever wraps it holds the pipe and does not end
		_ = p.pipe.SetReadDeadline(time.Now())
		<-p.done
	}
}

// shoot sends the signal. One that is not traced yet would leave its tracer behind.
func (p *Process) shoot() {
	p.Killed.Store(true)
	if p.wrapped {
		select {
		case <-p.greeted:
		case <-p.done:
		case <-time.After(startup):
		}
	}
	_ = p.cmd.Process.Kill()
}

// End has the child come to its end, and returns at once.
func (p *Process) End() { p.close.Do(func() { _ = p.in.Close() }) }

// Tell says a line to the child.
func (p *Process) Tell(line string) { _, _ = io.WriteString(p.in, line+"\n") }

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Done is closed when the child is over.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns how the child ended.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Silent is for how long the child has said nothing.
func (p *Process) Silent() time.Duration {
	return time.Since(time.Unix(0, p.heard.Load()))
}

// Idle tells whether the child has read and written next to nothing since this was asked last, or
// within a few seconds. A VACUUM behind a slow network may take minutes, and says nothing.
func (p *Process) Idle() bool {
	now, moved := time.Now(), p.moved()
	if moved >= p.hadMoved+64<<10 {
		p.hadMoved, p.stoodSince = moved, now
	}
	return now.Sub(p.stoodSince) > 10*time.Second
}

// moved is how many bytes the child has read and written, from and to anything; 0 where nobody counts.
func (p *Process) moved() (n int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var bytes int64
		if _, err := fmt.Sscanf(line, "rchar: %d", &bytes); err == nil {
			n += bytes
		} else if _, err := fmt.Sscanf(line, "wchar: %d", &bytes); err == nil {
			n += bytes
		}
	}
	return n
}

// Unstarted tells whether a child whose system calls fail has not even come to its beginning: the
// loader's status is 127. For a child that is over.
func (p *Process) Unstarted() bool {
	var exit *exec.ExitError
	return p.wrapped && errors.As(p.err, &exit) && exit.ExitCode() == 127
}

// Wrapped tells whether something runs the child that may kill it.
func (p *Process) Wrapped() bool { return p.wrapped }

// WasKilled tells whether the error of Wait is that of a process which was killed.
func WasKilled(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
