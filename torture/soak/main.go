// Command soak runs rounds of torture for some time: processes on a clone that are killed, stopped and failed, and an
// oracle that says what has to be left. It prints its seed first, a line each minute, and a table at the end; it ends
// with 1 when a round failed, whose files it keeps.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"hydrant/torture"
)

func main() {
	torture.Child()
	s := torture.Soak{Out: os.Stdout, Report: &torture.Report{}}
	minutes := flag.Float64("minutes", 10, "how long")
	flag.Uint64Var(&s.Seed, "seed", 0, "of the first round, the next has the next; 0 draws one")
	flag.IntVar(&s.Rounds, "rounds", 0, "how many rounds at most, 0: as many as there is time for")
	flag.IntVar(&s.Parallel, "parallel", 2, "rounds at once")
	flag.DurationVar(&s.Life, "life", time.Second, "mean time between two crashes of everything")
	flag.StringVar(&s.Dir, "dir", "", "where files are; default the system's temporary folder")
	flag.Parse()
	if s.Seed == 0 {
		s.Seed = uint64(time.Now().UnixNano()) % 1e9
	}
	s.Duration = time.Duration(*minutes * float64(time.Minute))
	if !torture.CanInject() {
		fmt.Println("strace is not here, or may not trace: no system call will fail")
	}
	fmt.Printf("seed %d\n", s.Seed)
	ctx, done := signal.NotifyContext(context.Background(), os.Interrupt)
	defer done()
	if s.Run(ctx) > 0 {
		os.Exit(1)
	}
}
