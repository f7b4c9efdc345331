package mutants

// early breaks what is fetched before anybody asks for it: the bytes stay right, but come twice, or
// late, or without a bound.
var early = []mutation{
	{
		name:  "the queue has no bound",
		file:  "clone/prefetch.go",
		old:   "case s.empty() || n >= mostWanted:",
		new:   "case s.empty():",
		pkg:   "clone",
		tests: "PrefetchIsBounded",
	},
	{
		name:  "a range from outside the source is believed",
		file:  "clone/region.go",
		old:   "if off := max(r.Off, 0); r.Off < g.size && r.Len > 0 && end > off {",
		new:   "if off := r.Off; r.Len > 0 && end > off {",
		pkg:   "clone",
		tests: "TestPrefetch$|BadAdvice",
	},
	{
		name:  "who goes through a lot asks for parts of it again",
		file:  "clone/fetch.go",
		old:   "return free && f.hi <= s.hi",
		new:   "return free && f == nil",
		pkg:   "clone",
		tests: "MissIsAskedForWithWhatFollows",
	},
	{
		name:  "what is there already is not shown to the advisor",
		file:  "clone/advisor.go",
		old:   "\tc.unshown.local = local.Union(",
		new:   "\t_ = local.Union(",
		pkg:   "clone",
		tests: "AdvisorIsShownWhatIsThere",
	},
	{
		name:  "it is shown again and again",
		file:  "clone/advisor.go",
		old:   "\t\tu.local.Clear(uint(r))\n",
		new:   "",
		pkg:   "clone",
		tests: "AdvisorIsShownWhatIsThere",
	},
	{
		name:  "the background is as greedy when readers wait",
		file:  "clone/hydrator.go",
		old:   "p.level = max(p.level/2, floorConnections)",
		new:   "p.level = max(p.level, floorConnections)",
		pkg:   "clone",
		tests: "Politeness",
	},
	{
		name:  "a scan is not noticed",
		file:  "sqlitevfs/advise/scan.go",
		old:   "case before >= 0 && before < i && allLocal(g, kids[before+1:i], local):",
		new:   "case before >= 0 && before == i && allLocal(g, kids[before+1:i], local):",
		pkg:   "sqlitevfs/advise",
		tests: "Scan",
	},
	{
		name:  "whoever looks something up is taken for a scan",
		file:  "sqlitevfs/advise/scan.go",
		old:   "\t\tif !local(int64(n-1) * int64(g.PageSize)) {\n\t\t\treturn false",
		new:   "\t\tif !local(int64(n-1) * int64(g.PageSize)) {\n\t\t\treturn true",
		pkg:   "sqlitevfs/advise",
		tests: "Lookups",
	},
	{
		name:  "children are remembered without a bound",
		file:  "sqlitevfs/advise/tree.go",
		old:   "for a.kids+len(kids) > mostKids && len(a.order) > 0 {",
		new:   "for a.kids < 0 {",
		pkg:   "sqlitevfs/advise",
		tests: "MemoryIsBounded",
	},
}
