package coldstart

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
	"syscall"
	"time"

	"hydrant/bench/report"
)

// deed is what a fresh process can do; it gets the words after its name and tells what it found.
type deed func(ctx context.Context, args []string, out io.Writer) (map[string]float64, error)

func deeds() map[string]deed {
	return map[string]deed{
		"sql":      runSQL,
		"beside":   runBeside,
		"ranged":   runRanged,
		"transfer": runTransfer,
		"hydrate":  runHydrate,
		"learn":    runLearn,
		"prepare":  runPrepare,
		"native":   runNative,
		"memory":   runMemory,
		"tenants":  runTenants,
		"blob":     runBlob,
	}
}

// Child is what a process does that was started for one strategy: args come from the harness, and
// what it finds goes to out.
func Child(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || deeds()[args[0]] == nil {
		return fmt.Errorf("%w: this is for the harness alone", ErrSettings)
	}
	figures, err := deeds()[args[0]](ctx, args[1:], out)
	if err != nil {
		return err
	}
	if figures == nil {
		figures = map[string]float64{}
	}
	if figures["cpu"], figures["rss"], err = used(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(done{Figures: figures})
}

// used is the processor time that this process has used, in seconds, and the most memory it has had,
// in bytes. (What getrusage calls that begins with what the parent had.)
func used() (cpu, rss float64, err error) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0, 0, err
	}
	rss, err = statusOf("VmHWM")
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds(), rss, err
}

// statusOf is a line of /proc/self/status, in bytes.
func statusOf(field string) (float64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, field+": %f kB", &kib); n == 1 {
			return kib * 1024, nil
		}
	}
	return 0, errors.New("no " + field + " in /proc/self/status")
}

// bytesRead is how many bytes this process has read from files and sockets so far.
func bytesRead() int64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	var n int64
	_, _ = fmt.Sscanf(string(b), "rchar: %d", &n)
	return n
}

// outcome is what a process told, and what the server saw of it.
type outcome struct {
	figures map[string]float64
	queries []report.Query
	local   []report.Local
	sent    []report.Request
	ahead   float64 // seconds between the server's zero and the process's
}

// child runs a fresh process of ours.
func (r *run) child(ctx context.Context, args ...string) (*outcome, error) {
	return r.process(ctx, r.Child, args...)
}

// hangs is after how long a process is taken to hang.
const hangs = 10 * time.Minute

func (r *run) process(ctx context.Context, command []string, args ...string) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, hangs)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], args...)...)
	cmd.Env = r.env
	var complaint strings.Builder
	cmd.Stderr = &complaint
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.reset()
	zero := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &outcome{figures: map[string]float64{}}
	read := r.listen(stdout, o, zero)
	err = cmd.Wait()
	if err == nil {
		err = read
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, strings.TrimSpace(complaint.String()))
	}
	r.see(o)
	return o, nil
}

// listen takes what the process tells, and counts what the server saw up to each step.
func (r *run) listen(stdout io.Reader, o *outcome, zero time.Time) error {
	in := json.NewDecoder(bufio.NewReaderSize(stdout, 1<<20))
	for {
		var d done
		if err := in.Decode(&d); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		prefix := ""
		if d.Step != "" {
			prefix = d.Step + "."
			r.count(o.figures, prefix)
		}
		for k, v := range d.Figures {
			o.figures[strings.TrimSuffix(prefix+k, ".")] = v
		}
		o.queries = append(o.queries, d.Queries...)
		o.local = append(o.local, d.Local...)
		if d.Began != 0 {
			o.ahead = time.Unix(0, d.Began).Sub(zero).Seconds()
		}
	}
}

// see adds what the server saw of a process that is over.
func (r *run) see(o *outcome) {
	if r.server == nil {
		return
	}
	r.count(o.figures, "")
	log := r.server.Log(bucket, "")
	o.figures["duplicate"] = float64(duplicates(log))
	for _, a := range append(log, r.server.Log(replicaBucket, "")...) {
		if a.Sent > 0 {
			o.sent = append(o.sent, report.Request{
				At: a.At.Seconds() - o.ahead, Done: a.Done.Seconds() - o.ahead, Off: a.Off, Len: a.Sent,
			})
		}
	}
}
