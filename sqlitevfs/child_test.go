package sqlitevfs

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// childPrefix marks the first argument of a test binary that is run as another process.
const childPrefix = "child:"

func child(args []string) {
	switch what := strings.TrimPrefix(args[0], childPrefix); what {
	case "crash":
		crash(args[1], args[2])
	case "cross":
		cross(args[1], args[2])
	case "half":
		half(args[1], args[2], args[3])
	case "actor":
		actorChild(args[1])
	case "listen":
		listen(args[1], args[2])
	case "hold":
		hold(args[1], args[2])
	case "trial":
		trialChild(args[1], args[2])
	default:
		check(fmt.Errorf("no such child: %s", what))
	}
}

// kill ends the process with nothing closed and nothing flushed.
func kill() {
	check(syscall.Kill(syscall.Getpid(), syscall.SIGKILL))
	select {}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}
