package clone

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
)

// Defaults of Options and Knobs.
const (
	DefaultRegionSize = 4096
	DefaultBatch      = 8 << 20
	DefaultTimeout    = 30 * time.Second
)

// Options configure Open. nil, and the zero value, mean the defaults.
type Options struct {
	// RegionSize is the unit of hydration in bytes, a power of two from 512 to 8 MiB. It counts at
	// creation only; afterwards the state file's holds. 0: what ChooseRegion says, or 4096.
	RegionSize int64

	// ChooseRegion names the region size for a blob of size bytes that begins with head (up to 64
	// KiB of it), 0 for the default. It is asked at creation when RegionSize is 0.
	ChooseRegion func(head []byte, size int64) int64

	// Knobs that are set here override those in force, for all processes of the clone.
	Knobs Knobs

	// NoCreate makes Open fail with fs.ErrNotExist instead of creating a clone.
	NoCreate bool

	// Keep leaves the state file in place when the clone is complete, from now on, whoever has it
	// open, until Detach.
	Keep bool

	// NoBackground starts no hydrator in this process: another may, and reads hydrate what they
	// touch.
	NoBackground bool

	// NoTrace switches off everything to do with traces: what is read is not noted for the next run, no
	// trace that lies beside the source is asked for, and none is fetched ahead.
	NoTrace bool

	// Advisor says what readers will want. nil: nobody does. It is asked by this process, of what
	// this process fetches.
	Advisor Advisor

	// OpenSource opens the source of a clone that exists and for which Open was given none. It is
	// called with the recorded address. nil: Open needs a source.
	OpenSource func(ctx context.Context, url string) (source.Source, error)

	// Quiesce runs publish while nobody uses dest's companion files, or returns an error, and then
	// completion is tried again later. ErrTransaction and ErrBusy pass by themselves; with any other
	// the clone is paused until a later attempt succeeds, and Wait returns it. A database on top
	// takes its own locks here. nil: publish is run at once. It may be called before Open has
	// returned. Close ends its ctx and waits for it; until then all of the clone can be used.
	Quiesce func(ctx context.Context, publish func() error) error

	// OnEvent is called for each Event, one at a time, from a goroutine of the clone, perhaps before
	// Open has returned. It must not call Close.
	OnEvent func(Event)

	// Trust says how far state that was never synced is believed, see state.Trust.
	Trust state.Trust

	// Mode is dest's mode at creation. 0: 0644 less the umask.
	Mode fs.FileMode

	// WrapDest puts something around the destination of OpenPath, say one whose writes fail on
	// purpose. nil: nothing.
	WrapDest func(dest.Target) dest.Target

	// window is the least that is asked of the source for a read, in bytes; 0: 64 KiB. Tests of
	// clones of a few regions would otherwise fetch all of them with the first.
	window int64
}

// Knobs can be changed at any time, by any process, for all processes of a clone.
// nil leaves a knob as it is.
type Knobs struct {
	// Hydration switches the background on and off. Default on.
	Hydration *bool
	// Bandwidth caps the background, in bytes per second; 0: no cap, the default.
	Bandwidth *int64
	// Connections is how many ranges the background has in flight, 1 to 256; 0: adapts, the default.
	Connections *int
	// Batch is how many bytes the background asks for at once, 64 KiB to 64 MiB. Default 8 MiB.
	Batch *int64
	// Timeout bounds each wait for the source, 1 ms to 24 h. Default 30 s.
	Timeout *time.Duration
}

func (k *Knobs) validate() error {
	switch {
	case k.Bandwidth != nil && *k.Bandwidth < 0:
		return fmt.Errorf("%w: bandwidth %d: want 0 (no cap) or more", ErrUsage, *k.Bandwidth)
	case k.Connections != nil && (*k.Connections < 0 || *k.Connections > 256):
		return fmt.Errorf("%w: connections %d: want 0 (adapts) to 256", ErrUsage, *k.Connections)
	case k.Batch != nil && (*k.Batch < 64<<10 || *k.Batch > 64<<20):
		return fmt.Errorf("%w: batch %d: want 64 KiB to 64 MiB", ErrUsage, *k.Batch)
	case k.Timeout != nil && (*k.Timeout < time.Millisecond || *k.Timeout > 24*time.Hour):
		return fmt.Errorf("%w: timeout %v: want 1ms to 24h", ErrUsage, *k.Timeout)
	}
	return nil
}
