package clone

// Event is something that happened to a clone.
type Event struct {
	Kind EventKind
	// Err is why, for Stall and ModeChange.
	Err error
	// Status is how the clone was doing then.
	Status Status
}

// EventKind tells events apart.
type EventKind int

// The events.
const (
	// Completed: dest holds all of it and bears its own first bytes.
	Completed EventKind = iota
	// Stall: the source fails for good; cold reads fail until Resumed.
	Stall
	// Resumed: a probe of the source succeeded after a Stall.
	Resumed
	// ModeChanged: from rw to ro, or to failed.
	ModeChanged
	// DiskFull: hydration pauses until there is room.
	DiskFull
)
