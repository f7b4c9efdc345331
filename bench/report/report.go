// Package report is what a run of the benchmark has found, and its faces: a table, JSON, benchstat's
// text, a page of HTML. It knows nothing of how anything is measured.
package report

import "time"

// Report is all that a run has found. Its JSON form is what --json prints.
type Report struct {
	Made      time.Time  `json:"made"`
	Machine   Machine    `json:"machine"`
	Source    string     `json:"source"`
	Size      int64      `json:"size"`              // of the database, bytes
	RTT       float64    `json:"rtt_s"`             // to the first byte of an answer
	Bandwidth int64      `json:"bandwidth_bytes_s"` // of one connection
	Runs      int        `json:"runs"`              // rounds, each with every strategy
	Took      float64    `json:"took_s"`            // the whole run
	Notes     []string   `json:"notes"`             // what a reader has to know
	Strategy  []Strategy `json:"strategies"`        // in the order of the plots
	Rows      []Row      `json:"rows"`
	Samples   Samples    `json:"samples"`
	Timelines []Timeline `json:"timelines"`
	Latencies []Latency  `json:"latencies"`
	Panels    []Panel    `json:"-"` // what the page shows as bars
}

// Machine is where it ran.
type Machine struct {
	OS     string  `json:"os"`
	Arch   string  `json:"arch"`
	Kernel string  `json:"kernel"`
	CPUs   int     `json:"cpus"`
	Load   float64 `json:"load"` // how many processes wanted to run when it began, over a minute
	Go     string  `json:"go"`
}

// Strategy is a way to get at the database.
type Strategy struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	About string `json:"about"`
	Rival bool   `json:"rival,omitempty"` // somebody else's
	Plain bool   `json:"plain,omitempty"` // what people do without anybody's
}

// Row is one measure of one strategy against the least it could be.
type Row struct {
	Section  string  `json:"section"`
	What     string  `json:"what"`
	Strategy string  `json:"strategy"`
	Value    float64 `json:"value"`
	Unit     Unit    `json:"unit"`
	Bound    float64 `json:"bound,omitempty"`    // 0: none
	BoundIs  string  `json:"bound_is,omitempty"` // what Bound is made of
	Ratio    float64 `json:"ratio,omitempty"`    // of Value and Bound; > 1 is worse than the bound, unless the target says "≥"
	Target   string  `json:"target,omitempty"`
	Met      bool    `json:"met,omitempty"` // of a row with a target
}

// Verdict is "met", "missed", or nothing where there is no target.
func (r Row) Verdict() string {
	switch {
	case r.Target == "":
		return ""
	case r.Met:
		return "met"
	}
	return "missed"
}

// Timeline is what a strategy fetched, and how its file filled up.
type Timeline struct {
	Strategy string    `json:"strategy"`
	Size     int64     `json:"size"`
	Requests []Request `json:"requests"`
	Local    []Local   `json:"local"`
}

// Request is one answer of the server. Times are seconds since the strategy began.
type Request struct {
	At   float64 `json:"at"`
	Done float64 `json:"done"`
	Off  int64   `json:"off"`
	Len  int64   `json:"len"`
}

// Local is how much was local at a time, 0 to 1.
type Local struct {
	At       float64 `json:"at"`
	Fraction float64 `json:"fraction"`
}

// Latency is what queries took over time, while a strategy hydrated.
type Latency struct {
	Strategy string  `json:"strategy"`
	Queries  []Query `json:"queries"`
}

// Query is one query. Times are seconds.
type Query struct {
	At   float64 `json:"at"`
	Took float64 `json:"took"`
	Cold bool    `json:"cold,omitempty"` // it waited for pages that were not here
}
