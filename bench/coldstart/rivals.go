package coldstart

import "hydrant/bench/report"

// rivals holds hydrant against others, in the same run. What is a time or a count is theirs over
// ours; what is a rate, ours over theirs.
func (j *judgement) rivals() {
	j.section = "Against Litestream's VFS"
	j.times("first row", litestream, "first.row.at", cold, "first.row.at", atLeast(12))
	j.times("first row, its best case", litestreamBest, "first.row.at", cold, "first.row.at", atLeast(5))
	j.times("requests up to the first row", litestream, "first.row.requests", cold, "first.row.requests", nil)
	if requests, seconds, ok := j.extrapolate(litestream); ok {
		ours, _ := j.get(cold, "scan.scan.requests")
		j.value("requests of a scan (of 1/1000, times 1000)", litestream, requests, report.Count, bound{ours, "hydrant, cold"}, atLeast(1000))
		ours, _ = j.get(cold, "scan.scan.at")
		j.value("time of a scan (of 1/1000, times 1000)", litestream, seconds, report.Seconds, bound{ours, "hydrant, cold"}, nil)
	}
	j.faster("rate of hydration", cold, "hydrate.rate", litestreamLocal, "hydrate.rate", atLeast(10))
	j.times("500 point queries, hydrated", litestreamLocal, "hydrate.points", hydrated, "settled.points", atLeast(100))
	ours, ok := j.commitRate(cold)
	theirs, also := j.commitRate(litestream)
	if ok && also {
		j.value("one-row commits from a cold start", cold, ours, report.PerSec, bound{theirs, "Litestream's VFS"}, atLeast(50))
	}
	j.times("CPU of hydrating", litestreamLocal, "hydrate.cpu", cold, "hydrate.cpu", nil)
	j.times("peak RSS of hydrating", litestreamLocal, "hydrate.rss", cold, "hydrate.rss", nil)

	j.section = "Against a page-GET VFS"
	j.times("first row", pageGet, "first.row.at", cold, "first.row.at", nil)
	j.times("20 random points", pageGet, "first.points", cold, "first.points", nil)
	j.times("range of 500 rows", pageGet, "first.range", cold, "first.range", nil)
	if requests, _, ok := j.extrapolate(pageGet); ok {
		ours, _ := j.get(cold, "scan.scan.requests")
		j.value("requests of a scan (of 1/1000, times 1000)", pageGet, requests, report.Count, bound{ours, "hydrant, cold"}, nil)
	}

	j.section = "One-row commits a second, from a cold start"
	for _, s := range []string{native, cold, litestream} {
		if v, ok := j.commitRate(s); ok {
			j.value("commits", s, v, report.PerSec, bound{}, nil)
		}
	}
}

// times is a row of theirs with ours as what it is held against.
func (j *judgement) times(what, theirs, theirFigure, ours, ourFigure string, t *target) {
	if _, ok := j.get(ours, ourFigure); ok {
		j.row(what, theirs, theirFigure, j.ofFigure(j.title(ours), ours, ourFigure), t)
	}
}

// faster is a row of ours with theirs as what it is held against.
func (j *judgement) faster(what, ours, ourFigure, theirs, theirFigure string, t *target) {
	if _, ok := j.get(theirs, theirFigure); ok {
		j.row(what, ours, ourFigure, j.ofFigure("Litestream's VFS", theirs, theirFigure), t)
	}
}

// extrapolate is what a scan would have cost a rival of which a part was measured.
func (j *judgement) extrapolate(strategy string) (requests, seconds float64, ok bool) {
	all, ok := j.get(strategy, "scan.part.requests")
	if !ok {
		return 0, 0, false
	}
	before, _ := j.get(strategy, "scan.row.requests")
	seconds, _ = j.get(strategy, "scan.part")
	return (all - before) * partOf, seconds * partOf, true
}

func (j *judgement) commitRate(strategy string) (float64, bool) {
	n, ok := j.get(strategy, "commits.commits.n")
	at, _ := j.get(strategy, "commits.commits.at")
	return n / max(at, 1e-9), ok
}
