package coldstart

import (
	"fmt"

	"hydrant/bench/report"
)

// judge holds the medians against the least they could be, and where there is a target, against that.
func judge(r *run) {
	j := &judgement{r: r, rtt: r.RTT.Seconds()}
	j.findPlain()
	j.first()
	j.scan()
	j.hydration()
	j.during()
	j.hydrated()
	j.memory()
	j.tenants()
	j.blob()
	j.rivals()
}

// judgement is the making of the rows.
type judgement struct {
	r       *run
	rtt     float64
	section string

	// The best of the plain downloads, seconds, and its name; 0 when none was measured.
	written, synced float64
	best            string
}

// bound is the least that a value could be, and what that is.
type bound struct {
	v  float64
	is string
}

// target is what a row is to reach. It speaks of the ratio to the bound.
type target struct {
	text  string
	ratio bool // without a bound there is nothing to reach
	met   func(row report.Row) bool
}

// atMost is the target that the ratio to the bound is not above x.
func atMost(x float64) *target {
	return &target{fmt.Sprintf("≤ %s", report.Ratio(x)), true, func(row report.Row) bool { return row.Ratio <= x }}
}

// atLeast is the target that it is not below x.
func atLeast(x float64) *target {
	return &target{fmt.Sprintf("≥ %s", report.Ratio(x)), true, func(row report.Row) bool { return row.Ratio >= x }}
}

// below is the target that the value itself is not above x.
func below(x float64, u report.Unit) *target {
	return &target{"≤ " + u.Format(x), false, func(row report.Row) bool { return row.Value <= x }}
}

func (j *judgement) get(strategy, figure string) (float64, bool) {
	return j.r.report.Samples.Median(strategy, figure)
}

// row adds the median of a figure, if it was measured.
func (j *judgement) row(what, strategy, figure string, b bound, t *target) {
	if v, ok := j.get(strategy, figure); ok {
		j.value(what, strategy, v, report.UnitOf(figure), b, t)
	}
}

func (j *judgement) value(what, strategy string, v float64, u report.Unit, b bound, t *target) {
	row := report.Row{Section: j.section, What: what, Strategy: j.title(strategy), Value: v, Unit: u, Bound: b.v, BoundIs: b.is}
	if b.v > 0 {
		row.Ratio = v / b.v
	}
	if t != nil && (row.Bound > 0 || !t.ratio) {
		row.Target, row.Met = t.text, t.met(row)
	}
	j.r.report.Rows = append(j.r.report.Rows, row)
}

func (j *judgement) title(strategy string) string {
	for _, s := range j.r.report.Strategy {
		if s.Name == strategy {
			return s.Title
		}
	}
	return strategy
}

// leastRTT is the least time to a first byte of which a count of round trips says anything, seconds.
const leastRTT = 0.0005

// trips is a chain of so many answers, one after the other.
func (j *judgement) trips(n int) bound {
	if j.rtt < leastRTT {
		return bound{}
	}
	return bound{float64(n) * j.rtt, fmt.Sprintf("%d RTT", n)}
}

// ofFigure is the median of another figure as a bound.
func (j *judgement) ofFigure(is, strategy, figure string) bound {
	v, _ := j.get(strategy, figure)
	if v == 0 {
		return bound{}
	}
	return bound{v, is}
}

// plain is the best plain download of so many bytes.
func (j *judgement) plain(seconds, bytes float64) bound {
	if seconds == 0 || bytes == 0 {
		return bound{}
	}
	return bound{seconds * bytes / float64(j.r.work.Size), "plain download"}
}

func (j *judgement) findPlain() {
	names := []string{transferName(0), transferName(32)}
	for _, n := range plainConns {
		names = append(names, rangedName(n))
	}
	for _, name := range names {
		if v, ok := j.get(name, "hydrate.written"); ok && (j.written == 0 || v < j.written) {
			j.written = v
		}
		if v, ok := j.get(name, "hydrate.synced"); ok && (j.synced == 0 || v < j.synced) {
			j.synced, j.best = v, name
		}
	}
}

// remote tells a strategy whose pages come from afar.
func remote(name string) bool { return name != native && name != fetched && name != hydrated }

func (j *judgement) first() {
	j.section = "The first answer"
	chain := j.r.work.Chain
	for _, s := range j.r.report.Strategy {
		b, t := bound{}, (*target)(nil)
		switch {
		case s.Name == traced:
			b, t = j.trips(2), atMost(1.3)
		case s.Name == cold:
			b, t = j.trips(4), atMost(1.25)
		case s.Name == fetched:
			b = j.plain(j.written, float64(j.r.work.Size))
		case s.Name == hydrated, s.Name == half: // of the latter the row may be here or not
			b = j.ofFigure("native", native, "first.row.at")
		case remote(s.Name):
			b = j.trips(chain)
		}
		j.row("first row", s.Name, "first.row.at", b, t)
	}
	j.row("first row, by the chain of its pages", cold, "first.row.at", j.trips(chain), nil)
	for _, s := range j.r.report.Strategy {
		t := (*target)(nil)
		if s.Name == cold {
			t = atMost(1.5)
		}
		j.row("first commit", s.Name, "first.commit.at", j.ofFigure("its first row", s.Name, "first.row.at"), t)
	}
	for _, q := range []struct {
		what, figure string
		trips        int
	}{{"20 random points", "first.points", 20}, {"range of 500 rows", "first.range", 2}} {
		for _, s := range j.r.report.Strategy {
			b := j.ofFigure("native", native, q.figure)
			if remote(s.Name) {
				b = j.trips(q.trips)
				if j.written > 0 && j.written < b.v && s.Name != pages && !s.Rival {
					b = j.plain(j.written, float64(j.r.work.Size))
				}
			}
			if s.Name == native {
				b = bound{}
			}
			j.row(q.what, s.Name, q.figure, b, nil)
		}
	}
	j.traffic()
}

// traffic is what the first answers cost on the wire.
func (j *judgement) traffic() {
	j.section = "On the wire"
	for _, s := range j.r.report.Strategy {
		if s.Name == native || s.Name == hydrated {
			continue
		}
		j.row("requests up to the first row", s.Name, "first.row.requests", bound{}, nil)
		j.row("bytes up to the first row", s.Name, "first.row.bytes", j.ofFigure("pages read", native, "first.row.needed"), nil)
	}
	for _, s := range j.r.report.Strategy {
		if !remote(s.Name) {
			continue
		}
		var needed float64
		last := "first.range"
		for _, step := range []string{"row", "commit", "points", "range"} {
			if _, ok := j.get(s.Name, "first."+step); ok {
				v, _ := j.get(native, "first."+step+".needed")
				needed += v
			}
		}
		if s.Name == pages || s.Rival {
			j.row("bytes up to the range, over-read", s.Name, last+".bytes", bound{needed, "pages read"}, nil)
		}
	}
	for _, s := range []string{cold, half, traced} {
		j.row("bytes that came twice", s, "first.duplicate", bound{}, nil)
	}
}

func (j *judgement) scan() {
	j.section = "A full aggregate scan, cold"
	for _, s := range j.r.report.Strategy {
		if s.Rival {
			continue // of a part of the table: see rivals
		}
		b, t := j.ofFigure("native", native, "scan.scan.at"), (*target)(nil)
		switch {
		case s.Name == native:
			b = bound{}
		case s.Name != hydrated:
			bytes, counted := j.get(s.Name, "scan.scan.bytes")
			if !counted {
				bytes = float64(j.r.work.Size)
			}
			b = j.plain(j.written, bytes)
		}
		if s.Name == cold {
			t = atMost(1.25)
		}
		j.row("time", s.Name, "scan.scan.at", b, t)
	}
	for _, s := range j.r.report.Strategy {
		bytes, ok := j.get(s.Name, "scan.scan.bytes")
		if !ok || s.Rival || !remote(s.Name) {
			continue
		}
		least := bound{max(1, bytes/downloadPart), "bytes / 8 MiB"}
		t := (*target)(nil)
		if s.Name == cold {
			t = below(1.1*bytes/downloadPart+20, report.Count)
		}
		j.row("requests", s.Name, "scan.scan.requests", least, t)
		j.row("bytes", s.Name, "scan.scan.bytes", j.ofFigure("pages read", native, "scan.scan.needed"), nil)
		j.row("bytes that came twice", s.Name, "scan.duplicate", bound{}, nil)
	}
}

func (j *judgement) hydration() {
	j.section = "Hydration"
	size := float64(j.r.work.Size)
	best := bound{}
	if j.synced > 0 {
		best = bound{size / j.synced, "best plain"}
	}
	for _, n := range plainConns {
		j.row("rate, synced", rangedName(n), "hydrate.rate", best, nil)
	}
	j.row("rate, synced", transferName(0), "hydrate.rate", best, nil)
	j.row("rate, synced", transferName(32), "hydrate.rate", best, nil)
	j.row("rate, synced", cold, "hydrate.rate", best, atLeast(0.95))
	if at, ok := j.get(cold, "during.complete.at"); ok {
		j.value("rate, synced, with queries", cold, size/at, report.Rate, best, atLeast(0.85))
	}
	j.row("requests", cold, "hydrate.requests", bound{max(1, size/downloadPart), "bytes / 8 MiB"}, nil)
	j.row("bytes that came twice", cold, "hydrate.duplicate", bound{}, nil)
	for _, s := range []string{j.best, cold} {
		j.row("CPU", s, "hydrate.cpu", j.ofFigure("best plain", j.best, "hydrate.cpu"), nil)
		j.row("peak RSS", s, "hydrate.rss", j.ofFigure("best plain", j.best, "hydrate.rss"), nil)
	}
}

func (j *judgement) during() {
	j.section = "Point queries during hydration"
	hits, colds := j.r.pooled(cold)
	plain, _ := j.r.pooled(beside)
	p := func(v []float64, x float64) float64 { return report.Percentile(v, x) }
	rows := []struct {
		what string
		s    string
		v    []float64
		p    float64
		b    bound
		t    *target
	}{
		{"cold pages, p50", cold, colds, 50, j.trips(1), nil},
		{"cold pages, p99", cold, colds, 99, j.trips(1), atMost(3)},
		{"local file, p50", beside, plain, 50, bound{}, nil},
		{"local file, p99", beside, plain, 99, bound{}, nil},
		{"hydrated pages, p50", cold, hits, 50, bound{p(plain, 50), beside}, nil},
		{"hydrated pages, p99", cold, hits, 99, bound{p(plain, 99), beside}, atMost(2)},
	}
	for _, w := range rows {
		if len(w.v) > 0 {
			j.value(fmt.Sprintf("%s (of %d)", w.what, len(w.v)), w.s, p(w.v, w.p), report.Seconds, w.b, w.t)
		}
	}
}

// pooled are the latencies of all rounds, of queries that found their pages and of those that waited.
func (r *run) pooled(strategy string) (hits, colds []float64) {
	for _, l := range r.report.Latencies {
		if l.Strategy != strategy {
			continue
		}
		for _, q := range l.Queries {
			if q.Cold {
				colds = append(colds, q.Took)
			} else {
				hits = append(hits, q.Took)
			}
		}
	}
	return hits, colds
}

func (j *judgement) hydrated() {
	j.section = "Hydrated, against SQLite's own VFS"
	entries, measured := 0.0, false
	for _, c := range []struct{ name, what string }{
		{"point", "point query"}, {"scan", "full scan"}, {"mmap", "full scan, mmap"}, {"commit", "commit, WAL"},
	} {
		v, ok := j.get(hydrated, "native."+c.name+".hydrant")
		if !ok {
			continue
		}
		// The ratio is the median of pairs, which is steadier than that of the medians.
		ratio, _ := j.get(hydrated, "native."+c.name+".ratio")
		j.value(c.what, hydrated, v, report.Seconds, bound{v / ratio, "native"}, atMost(1.02))
		n, _ := j.get(hydrated, "native."+c.name+".entries")
		entries, measured = entries+n, true
	}
	if measured {
		j.value("Go entries in all of these", hydrated, entries, report.Count, bound{}, below(0, report.Count))
	}
}

func (j *judgement) memory() {
	j.section = "Memory and attaching"
	for _, c := range []struct{ key, of string }{{"size", report.Bytes.Format(float64(j.r.Size))}, {"big", "a sparse 100 GiB"}} {
		j.row("peak RSS, "+c.of, cold, "memory."+c.key+".rss", bound{}, below(64<<20, report.Bytes))
		j.row("CPU of attaching, "+c.of, cold, "memory."+c.key+".attach", bound{}, nil)
		j.row("state file, "+c.of, cold, "memory."+c.key+".state", bound{}, nil)
	}
}

func (j *judgement) tenants() {
	n, ok := j.get(cold, "tenants.n")
	if !ok {
		return
	}
	j.section = report.Count.Format(n) + " databases of 1 MB in one process, 64 at a time"
	j.row("all of them", cold, "tenants.all", bound{}, nil)
	j.row("round trips to a first row, amortised", cold, "tenants.trips", bound{}, below(4, report.Count))
	j.row("opening and first row, p50", cold, "tenants.p50", j.trips(2), nil)
	j.row("opening and first row, p99", cold, "tenants.p99", j.trips(2), nil)
	j.row("RSS for each that is open", native, "tenants.clone", bound{}, nil)
	j.row("RSS for each that is open", cold, "tenants.clone", j.ofFigure("native", native, "tenants.clone"), below(256<<10, report.Bytes))
}

func (j *judgement) blob() {
	j.section = "A cold image, no database"
	for _, s := range []string{"ranged GETs", pages, cold} {
		j.row("random 4 KiB, p50", s, "blob.random.p50", j.trips(1), nil)
	}
	for _, s := range []string{"ranged GETs", pages, cold} {
		j.row("front to end", s, "blob.sequential.rate", j.ofFigure("one GET", "ranged GETs", "blob.sequential.rate"), nil)
	}
	j.row("front to end, requests", cold, "blob.sequential.requests", bound{max(1, float64(j.r.work.Size)/downloadPart), "bytes / 8 MiB"}, nil)
}
