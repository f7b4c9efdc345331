package trace

import (
	"cmp"
	"slices"
)

// Tidy returns t with each byte named once, where it comes first, and with neighbours that follow
// one another joined.
func (t *Trace) Tidy() *Trace {
	out := &Trace{Size: t.Size, Runs: max(t.Runs, 1)}
	for _, a := range atoms([]*Trace{t}) {
		r := a.Range
		r.Seen = min(max(r.Seen, 1), out.Runs)
		out.Ranges = append(out.Ranges, r)
	}
	out.Ranges = joined(out.Ranges)
	return out
}

// rare is in which part of the runs something was wanted that is forgotten: one in this many.
const rare = 16

// Merge makes one trace of several: first what all runs wanted, in the order of the median of its
// places in them, then what most did, and so on. What fewer than one run in 16 wanted is left out.
// nil traces are passed over; Merge of none has no ranges. The order of the traces does not matter,
// but for Size, which is the first one's that has one.
func Merge(traces ...*Trace) *Trace {
	out := &Trace{}
	kept := make([]*Trace, 0, len(traces))
	for _, t := range traces {
		if t == nil {
			continue
		}
		kept = append(kept, t.Tidy())
		out.Runs += max(t.Runs, 1)
		out.Size = cmp.Or(out.Size, t.Size)
	}
	out.Runs = max(out.Runs, 1)
	all := atoms(kept)
	for out.Runs > MaxRuns {
		out.Runs = (out.Runs + 1) / 2
		for i := range all {
			all[i].Seen = (all[i].Seen + 1) / 2
		}
	}
	all = slices.DeleteFunc(all, func(a atom) bool { return a.Seen*rare < out.Runs })
	slices.SortFunc(all, func(a, b atom) int {
		return cmp.Or(cmp.Compare(b.Seen, a.Seen), cmp.Compare(a.place, b.place), cmp.Compare(a.Off, b.Off))
	})
	for _, a := range all {
		out.Ranges = append(out.Ranges, a.Range)
	}
	out.Ranges = joined(out.Ranges)
	return out
}

// atom is a range that no end of another one cuts through. Its Seen is over all traces.
type atom struct {
	Range
	place float64 // the median of its places
}

// vote is where one trace has an atom, for as many runs as want it.
type vote struct{ place, runs int }

// atoms cuts what the traces name at each end of a range, rounded to units. They come in the order
// of places; what one trace names twice counts where it comes first.
func atoms(traces []*Trace) []atom {
	type edge struct {
		at    int64
		begin bool
		trace int
		vote
	}
	var edges []edge
	for i, t := range traces {
		for place, r := range t.Ranges {
			lo, hi := r.units()
			if lo >= hi {
				continue
			}
			v := vote{place, min(max(r.Seen, 1), max(t.Runs, 1))}
			edges = append(edges, edge{lo, true, i, v}, edge{hi, false, i, v})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	open := make([][]vote, len(traces)) // what is under the sweep, by trace, sorted by place
	byPlace := func(a, b vote) int { return cmp.Compare(a.place, b.place) }
	var out []atom
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			e := edges[i]
			j, _ := slices.BinarySearchFunc(open[e.trace], e.vote, byPlace)
			if e.begin {
				open[e.trace] = slices.Insert(open[e.trace], j, e.vote)
			} else {
				open[e.trace] = slices.Delete(open[e.trace], j, j+1)
			}
		}
		var votes []vote
		for _, o := range open {
			if len(o) > 0 {
				votes = append(votes, o[0])
			}
		}
		if len(votes) == 0 {
			continue
		}
		a := atom{place: median(votes), Range: Range{Off: at * Unit, Len: (edges[i].at - at) * Unit}}
		for _, v := range votes {
			a.Seen += v.runs
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b atom) int { return cmp.Compare(a.place, b.place) })
	return out
}

// units is the range in units, rounded outwards, and cut to what a trace can say.
func (r Range) units() (lo, hi int64) {
	if r.Off < 0 || r.Len <= 0 || r.Off >= MaxEnd {
		return 0, 0
	}
	end := min(r.Len, MaxEnd-r.Off) + r.Off
	return r.Off / Unit, (end + Unit - 1) / Unit
}

// median is the place in the middle of all runs' places; of the two in the middle, their mean.
func median(votes []vote) float64 {
	slices.SortFunc(votes, func(a, b vote) int { return cmp.Compare(a.place, b.place) })
	runs := 0
	for _, v := range votes {
		runs += v.runs
	}
	at := func(n int) int {
		for _, v := range votes {
			if n -= v.runs; n < 0 {
				return v.place
			}
		}
		return votes[len(votes)-1].place
	}
	return float64(at((runs-1)/2)+at(runs/2)) / 2
}

// joined makes one of neighbours that follow one another and were wanted as often.
func joined(rs []Range) []Range {
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && out[n-1].End() == r.Off && out[n-1].Seen == r.Seen {
			out[n-1].Len += r.Len
			continue
		}
		out = append(out, r)
	}
	return out
}
