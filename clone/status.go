package clone

import "time"

// Status says how a clone is doing. Its JSON form is part of the public surface.
type Status struct {
	// State is hydrating, paused, stalled, complete or detached.
	State string `json:"state"`
	// Mode is rw, ro or failed.
	Mode            string  `json:"mode"`
	Source          string  `json:"source"`   // address, without secrets
	Identity        string  `json:"identity"` // tag of the version it is pinned to
	Size            int64   `json:"size"`     // of dest now, bytes
	RegionSize      int64   `json:"region_size"`
	RegionsTotal    uint64  `json:"regions_total"`
	RegionsHydrated uint64  `json:"regions_hydrated"` // local: hydrated or written
	RegionsWritten  uint64  `json:"regions_written"`
	BytesFetched    uint64  `json:"bytes_fetched"`
	Requests        uint64  `json:"requests"`
	Rate            float64 `json:"rate_bytes_per_s"`
	ETA             float64 `json:"eta_s"` // seconds; -1 when it cannot be told
	Error           string  `json:"error"` // the last one that stands
	TXID            string  `json:"txid"`
	DirtyPages      uint64  `json:"dirty_pages"`

	// Knobs in force; not part of the public JSON.
	Hydration   bool          `json:"-"`
	Bandwidth   int64         `json:"-"`
	Connections int           `json:"-"` // 0: adapts
	Batch       int64         `json:"-"`
	Timeout     time.Duration `json:"-"`
}

// The values of Status.State.
const (
	StateHydrating = "hydrating"
	StatePaused    = "paused"
	StateStalled   = "stalled"
	StateComplete  = "complete"
	StateDetached  = "detached"
)

// Percent is how much is local, 0 to 100. It is 100 only for a clone that is complete.
func (s *Status) Percent() float64 {
	if s.State == StateComplete || s.State == StateDetached {
		return 100
	}
	if s.RegionsTotal == 0 {
		return 99.9
	}
	return min(float64(s.RegionsHydrated)/float64(s.RegionsTotal)*100, 99.9)
}
