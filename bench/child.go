package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// childVerb marks a process that runs one strategy.
const childVerb = "-child"

// figures are what a strategy measured, by name: seconds, bytes or counts.
type figures map[string]float64

// strategies are what a child can run; each gets the words after its name.
var strategies = map[string]func(args []string) (figures, error){}

// child runs one strategy and prints its figures as JSON.
func child(args []string) {
	f, err := strategies[args[0]](args[1:])
	if err == nil {
		f["cpu"] = cpu()
		if f["rss"], err = peak(); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(f)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", strings.Join(args, " ")+":", err)
		os.Exit(1)
	}
}

// cpu is the processor time this process has used, in seconds.
func cpu() float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
}

// peak is the most memory this process has had, in bytes. What getrusage calls that begins with
// what the parent had.
func peak() (float64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			return kib * 1024, nil
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}

// runChild runs a strategy in a fresh process.
func runChild(env map[string]string, args ...string) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{childVerb}, args...)...)
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	var f figures
	return f, json.NewDecoder(bytes.NewReader(out)).Decode(&f)
}

// samples collects figures of several rounds.
type samples map[string][]float64

func (s samples) add(prefix string, f figures) {
	for k, v := range f {
		s[prefix+k] = append(s[prefix+k], v)
	}
}

func (s samples) median(name string) float64 {
	v := slices.Clone(s[name])
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}
