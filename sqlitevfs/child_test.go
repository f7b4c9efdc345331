package sqlitevfs

import (
	"fmt"
	"os"
)

// childPrefix marks the first argument of a test binary that is run as another process.
const childPrefix = "child:"

func child(args []string) {
	fmt.Println("no such child", args)
	os.Exit(2)
}
