package clone

import (
	"fmt"
	"strings"

	"hydrant/clone/state"
)

// inUse is ErrBusy for what only the one process may do that has the clone open alone, with the
// names of those who have it open, as far as they can be told.
func inUse(name string, f state.File) error {
	who := "close it there and try again"
	if users := state.Users(f); len(users) > 0 {
		who = strings.Join(users, ", ") + "; " + who
	}
	return fmt.Errorf("%s: %w: %s", name, ErrBusy, who)
}
