package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// child is a process that plays one step. It is told on stdin and tells on stdout, a line each.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr strings.Builder
}

// event is what a child has done.
type event struct {
	What string
	At   time.Duration // since the process began to work
	Took time.Duration
	Note string
}

func (d *stage) child(ctx context.Context, step string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, append([]string{"demo-" + step}, args...)...)}
	c.cmd.Env = d.env
	c.cmd.Stderr = &c.stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	return c, c.cmd.Start()
}

// next waits for what is to come next.
func (c *child) next(what string) (e event, err error) {
	if !c.out.Scan() {
		return e, c.died()
	}
	if err := json.Unmarshal(c.out.Bytes(), &e); err != nil {
		return e, err
	}
	if e.What != what {
		return e, fmt.Errorf("a child said %q where %q was due", e.What, what)
	}
	return e, nil
}

// died is why a child says nothing any more.
func (c *child) died() error {
	err := c.cmd.Wait()
	if said := strings.TrimSpace(c.stderr.String()); said != "" {
		return errors.New(said)
	}
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// write has the child make its second change, and waits until that is committed.
func (c *child) write() (event, error) {
	if _, err := io.WriteString(c.in, "write\n"); err != nil {
		return event{}, errors.Join(c.died(), err)
	}
	return c.next("written")
}

// end lets the child come to its end.
func (c *child) end() error {
	_ = c.in.Close()
	if c.out.Scan() {
		return fmt.Errorf("a child said %q where it was to end", c.out.Text())
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(c.stderr.String()))
	}
	return nil
}

// kill ends the child by SIGKILL, if it is not over yet.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}
