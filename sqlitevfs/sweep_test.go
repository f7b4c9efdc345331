package sqlitevfs

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

var (
	sweepAll  = flag.Bool("sweep.all", false, "every combination of TestSweepStatements, each failure: hours")
	sweepEach = flag.Int("sweep.each", 1, "combinations for each statement and journal mode")
	sweepMost = flag.Int("sweep.most", 4, "failures for each combination, 0: all")
	sweepSeed = flag.Uint64("sweep.seed", 0, "0: a new one")
	sweepOnly = flag.String("sweep.trial", "", "one trial, as a failure prints it")
	sweepName = flag.String("sweep.statement", "", "one statement")
)

// sweepTime is how long the sweeps of an ordinary run may begin.
const sweepTime = 30 * time.Second

var journalModes = []string{"DELETE", "TRUNCATE", "PERSIST", "WAL"}

// A page that cannot be had at any point of any statement: whatever the application does next,
// nothing half done is left, nobody's lock stays, and the result codes are those on which SQLite
// rolls back.
func TestSweepStatements(t *testing.T) { sweepStatements(t, outageKinds) }

// A write to the local file that fails, for lack of room or for good, at any point of any
// statement: the same.
func TestSweepWrites(t *testing.T) { sweepStatements(t, diskKinds) }

func sweepStatements(t *testing.T, kinds []string) {
	if *sweepOnly != "" {
		var tr trial
		if err := json.Unmarshal([]byte(*sweepOnly), &tr); err != nil {
			t.Fatal(err)
		}
		s := statementNamed(tr.Statement)
		res := tr.run(t, blueprintOf(t, s, sheets[tr.Sheet], tr.Mode))
		t.Logf("%+v", res)
		if res.Wrong != "" {
			t.Error(res.Wrong)
		}
		return
	}
	seed := *sweepSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	sw := &sweep{t: t, codes: map[int]int{}, most: *sweepMost, seed: seed}
	if *sweepAll {
		sw.most = 0
	}
	// Where nothing else is asked for, a slow machine tries less.
	bounded, began, left := !*sweepAll && *sweepEach == 1 && *sweepName == "", time.Now(), 0
	work := make(chan trial)
	var wg sync.WaitGroup
	for range max(4*runtime.NumCPU(), 8) {
		wg.Go(func() {
			for tr := range work {
				sw.run(tr)
			}
		})
	}
	for _, s := range statements {
		for _, mode := range journalModes {
			if !s.fits(mode) || *sweepName != "" && s.name != *sweepName {
				continue
			}
			all := combinations(s.name, mode, kinds)
			if !*sweepAll {
				rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				all = all[:min(*sweepEach, len(all))]
			}
			for _, tr := range all {
				if bounded && time.Since(began) > sweepTime {
					left++
					continue
				}
				work <- tr
			}
		}
	}
	close(work)
	wg.Wait()
	if left > 0 {
		t.Logf("out of time: %d sweeps were left out", left)
	}
	t.Logf("seed %d: %d sweeps, %d trials, %d of them with a failure; result codes %v", seed, sw.sweeps, sw.trials, sw.failed, sw.codes)
	if sw.failed == 0 {
		t.Error("nothing failed")
	}
}

// combinations are all that can be tried of a statement in a journal mode.
func combinations(name, mode string, kinds []string) (all []trial) {
	for _, sheet := range []string{"page", "part", "window"} {
		for _, mmap := range []bool{false, true} {
			for _, kind := range kinds {
				for _, sticky := range []bool{false, true} {
					for _, end := range ends {
						all = append(all, trial{Statement: name, Mode: mode, Sheet: sheet, Mmap: mmap, Kind: kind, Sticky: sticky, End: end})
					}
				}
			}
		}
	}
	return all
}

// sweep counts.
type sweep struct {
	t    *testing.T
	most int // failures for each combination, 0: all
	seed uint64

	mu                     sync.Mutex // guards the rest
	sweeps, trials, failed int
	wrong                  int
	codes                  map[int]int
}

// run lets the first request fail, the second, and so on, until none does any more.
func (sw *sweep) run(tr trial) {
	b := blueprintOf(sw.t, statementNamed(tr.Statement), sheets[tr.Sheet], tr.Mode)
	ks := func(i int) int { return i + 1 }
	if sw.most > 0 {
		// How many there are, and then some of them, the first and the last among them.
		tr.K = 0
		all := sw.one(tr, b).Requests
		if all == 0 {
			return
		}
		most := min(all, sw.most)
		ks = func(i int) int {
			if i >= most {
				return all + 1000
			}
			if most == 1 {
				return all
			}
			return 1 + i*(all-1)/(most-1)
		}
	}
	for i := 0; sw.most == 0 || i <= sw.most; i++ {
		tr.K = ks(i)
		if sw.one(tr, b).Hits == 0 {
			break
		}
	}
	sw.mu.Lock()
	defer sw.mu.Unlock()
	sw.sweeps++
}

func (sw *sweep) one(tr trial, b *blueprint) outcome {
	res := tr.run(sw.t, b)
	sw.mu.Lock()
	defer sw.mu.Unlock()
	sw.trials++
	if res.Hits > 0 {
		sw.failed++
	}
	for _, code := range res.Codes {
		sw.codes[code]++
	}
	if res.Wrong != "" {
		if sw.wrong++; sw.wrong < 20 {
			sw.t.Errorf("%s\n\tgo test ./sqlitevfs -run TestSweepStatements -sweep.trial='%s'", res.Wrong, fmt.Sprint(&tr))
		}
		return outcome{}
	}
	return res
}
