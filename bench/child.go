package main

import (
	"bytes"
	"encoding/json"
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
		var ru syscall.Rusage
		if err = syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err == nil {
			f["rss"] = float64(ru.Maxrss) * 1024
			f["cpu"] = seconds(ru.Utime) + seconds(ru.Stime)
			err = json.NewEncoder(os.Stdout).Encode(f)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", strings.Join(args, " ")+":", err)
		os.Exit(1)
	}
}

func seconds(t syscall.Timeval) float64 {
	return time.Duration(t.Nano()).Seconds()
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
