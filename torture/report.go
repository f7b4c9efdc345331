package torture

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
)

// Count is something that was done.
type Count int

// What is counted.
const (
	Rounds Count = iota
	Lives
	Processes
	Kills
	Deaths
	Stops
	Injections
	SourceFaults
	Commits
	Reads
	Looks
	Troubles
	Strangers
	RowsChecked
	BytesCompared
	BlobWrites
	Completed
	Spoiled
	Failures
	numCounts
)

var countNames = [numCounts]string{
	"rounds", "lives of a clone", "processes", "killed by us", "killed at a system call", "stopped for a while", "with failing system calls",
	"faults of the source", "commits acknowledged", "transactions read", "status, tune, verify", "errors that may be", "strangers refused",
	"rows checked", "bytes compared", "engine writes acknowledged", "completed and detached", "left read-only by failed syncs", "failures",
}

// Report counts. Safe for concurrent use.
type Report struct {
	mu sync.Mutex // guards n
	n  [numCounts]int64
}

// Add counts n more.
func (r *Report) Add(what Count, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n[what] += n
}

// Get is how many there were.
func (r *Report) Get(what Count) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[what]
}

// Line is the most important of it.
func (r *Report) Line() string {
	return fmt.Sprintf("rounds %d, kills %d, commits acknowledged %d, rows checked %d, bytes compared %d, failures %d",
		r.Get(Rounds), r.Get(Kills)+r.Get(Deaths), r.Get(Commits), r.Get(RowsChecked), r.Get(BytesCompared), r.Get(Failures))
}

// Table writes all of it.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for c := range numCounts {
		if _, err := fmt.Fprintf(t, "%s\t%d\t\n", countNames[c], r.Get(c)); err != nil {
			return err
		}
	}
	return t.Flush()
}
