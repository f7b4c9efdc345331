package mutants

// engine breaks clone/ and clone/state.
var engine = []mutation{
	{
		name: "a request that ends at the source's end leaves out the short last region",
		file: "clone/region.go",
		old: `if off+n >= g.size {
		hi = g.count`,
		new: `if off+n > g.size {
		hi = g.count`,
		tests: "Geometry",
		pkg:   "clone",
	},
	{
		name:  "the first region of a discard is one too early",
		file:  "clone/region.go",
		old:   "lo := (uint64(off) + uint64(g.regionSize()) - 1) >> g.shift",
		new:   "lo := uint64(off) >> g.shift",
		tests: "Geometry",
		pkg:   "clone",
	},
	{
		name: "claims of one process overlap",
		file: "clone/claims.go",
		old: `		if o.overlaps(m.span) {
			return o`,
		new: `		if o.overlaps(m.span) && o.len() > 1000 {
			return o`,
		tests: "ClaimsAreServed|TwoWriters|ClaimEnds",
		pkg:   "clone",
	},
	{
		name: "the lock of a claim is never let go",
		file: "clone/claims.go",
		old: `	c.unlock(m.span)
`,
		new:   "",
		tests: "ClaimsExclude|Neighbours",
		pkg:   "clone",
	},
	{
		name:  "a claim waits without a deadline",
		file:  "clone/claims.go",
		old:   `ctx, cancel = context.WithTimeoutCause(ctx, t, fmt.Errorf("%w for %v", ErrBusy, t))`,
		new:   "_ = t; ctx, cancel = context.WithCancel(ctx)",
		tests: "ClaimsExclude|StoppedProcess",
		pkg:   "clone",
	},
	{
		name:  "an end inside a region is not noticed after power loss",
		file:  "clone/truncate.go",
		old:   `		c.ragged.Store(int64(r))`,
		new:   `		_ = r`,
		tests: "TruncatedStays",
		pkg:   "clone",
	},
	{
		name:  "what is not kept is read beyond the end",
		file:  "clone/read.go",
		old:   `		n, err := c.inDest(from, int64(len(b)))`,
		new:   `		n, err := int64(len(b)), error(nil)`,
		tests: "Exhaustive$",
		pkg:   "clone",
	},
	{
		name:  "a discard takes parts of regions for whole ones",
		file:  "clone/truncate.go",
		old:   "lo, hi := (off+rs-1)/rs*rs",
		new:   "lo, hi := off/rs*rs",
		tests: "DiscardInside",
		pkg:   "clone",
	},
	{
		name: "truncating claims nothing",
		file: "clone/truncate.go",
		old: `release, err := c.claims.acquire(ctx, s)
	if err != nil {
		return err
	}
	defer release()
	if err := c.allowCut`,
		new: `release, err := func() {}, error(nil)
	if err != nil {
		return err
	}
	defer release()
	if err := c.allowCut`,
		tests: "Stands|StoppedProcess",
		pkg:   "clone",
	},
	{
		name:  "a dest that is short is not recorded",
		file:  "clone/judge.go",
		old:   `	return durable.Add(st.Since(durable), st.Head.GetFirst())`,
		new:   `	return nil`,
		tests: "ShortDest",
		pkg:   "clone",
	},
	{
		name:  "volatile maps are believed after a restart",
		file:  "clone/judge.go",
		old:   `	adopt := verdict == state.Adopt &&`,
		new:   `	adopt := verdict != state.Foreign &&`,
		tests: "Power|Truncated",
		pkg:   "clone",
	},
	{
		name:  "first bytes of another clone are accepted",
		file:  "clone/attach.go",
		old:   `	if o.uuid != c.uuid {`,
		new:   `	if false {`,
		tests: "FirstBytesBelong",
		pkg:   "clone",
	},
	{
		name: "who joins does not say how far the log goes",
		file: "clone/attach.go",
		old: `		st.Head.LogSeq.Store(seq)
`,
		new: `		_ = seq
`,
		tests: "JoinerSays",
		pkg:   "clone",
	},
	{
		name: "the copy does not look again under its claim",
		file: "clone/install.go",
		old: `		run := c.coldRun(span{lo, s.hi})
		if run.empty() {
			break`,
		new: `		run := s
		if run.empty() {
			break`,
		tests: "LooksAgain",
		pkg:   "clone",
	},
	{
		name:  "zero runs of the source are passed over",
		file:  "clone/install.go",
		old:   `			if err := c.zero(off, int64(n)); err != nil {`,
		new:   `			if err := error(nil); err != nil {`,
		tests: "ZerosOf",
		pkg:   "clone",
	},
	{
		name: "a write of whole regions does not say written",
		file: "clone/write.go",
		old: `	c.markWritten(s)
	c.publish(s)
	return n, nil`,
		new: `	c.publish(s)
	return n, nil`,
		tests: "BitsOf",
		pkg:   "clone",
	},
	{
		name:  "dest is not synced before the commit",
		file:  "clone/commit.go",
		old:   `	if err := c.dst.Sync(); err != nil {`,
		new:   `	if err := error(nil); err != nil {`,
		tests: "EachOperation|SyncsShare|Power",
		pkg:   "clone",
	},
	{
		name: "a sync shares a commit that has begun",
		file: "clone/commit.go",
		old: `	case c.commits.next != nil:
		mine = c.commits.next`,
		new: `	case c.commits.running != nil:
		mine = c.commits.running`,
		tests: "SyncsShare|SyncBehind",
		pkg:   "clone",
	},
	{
		name:  "a failed sync leaves the mode alone",
		file:  "clone/mode.go",
		old:   `		if old >= uint64(m) {`,
		new:   `		if m == state.ReadOnly || old >= uint64(m) {`,
		tests: "FailedSync|ReadOnlyKeeps",
		pkg:   "clone",
	},
	{
		name:  "a failed sync leaves no word",
		file:  "clone/mode.go",
		old:   `	c.head().SetError(why.Error())`,
		new:   `	c.head().SetError("")`,
		tests: "FailedSync|ReadOnlyKeeps",
		pkg:   "clone",
	},
	{
		name:  "a guard that is half gone is taken for another's",
		file:  "clone/guard.go",
		old:   `	if !between(front, guard, first) {`,
		new:   `	if string(front) != string(guard[:]) {`,
		tests: "FailedSyncOf|CompletionSurvives",
		pkg:   "clone",
	},
	{
		name:  "a failed sync of the first bytes is taken for success",
		file:  "clone/complete.go",
		old:   `err := c.synced(func() error {`,
		new:   `err := func(f func() error) error { return f() }(func() error {`,
		tests: "FailedSyncOf|OneOfTwoSyncs",
		pkg:   "clone",
	},
	{
		name: "the phase is shared before it is recorded",
		file: "clone/complete.go",
		old: `		c.head().Phase.Store(uint64(state.Complete))
		first = true
		return c.recordPhase(ctx, state.Complete)`,
		new: `		first = true
		if err := c.recordPhase(ctx, state.Complete); err != nil {
			return err
		}
		c.head().Phase.Store(uint64(state.Complete))
		return nil`,
		tests: "FirstBytesAre",
		pkg:   "clone",
	},
	{
		name: "two closers both keep the attach lock",
		file: "clone/close.go",
		old: `	if err := f.Unlock(state.LockAttach, 1); err != nil {
		return false, err
	}
`,
		new:   "",
		tests: "OneOfTwoClosers",
		pkg:   "clone",
	},
	{
		name:  "a close without a commit calls itself clean",
		file:  "clone/close.go",
		old:   "case c.detached.Load():",
		new:   "case c.phase() == state.Complete:",
		tests: "Power",
		pkg:   "clone",
	},
	{
		name: "closing lets calls in",
		file: "clone/close.go",
		old: `	c.closed.Store(true)
	c.cancel()`,
		new:   `	c.cancel()`,
		tests: "CloseEnds|CallsInside",
		pkg:   "clone",
	},
	{
		name:  "the clone is closed under who is completing it",
		file:  "clone/close.go",
		old:   "\tc.quiescing <- struct{}{} // when who is at it has left; nobody begins any more\n\t<-c.quiescing\n",
		new:   "",
		tests: "CloseWaitsForQuiesce",
		pkg:   "clone",
	},
	{
		name:  "nobody is told that completion fails",
		file:  "clone/keeper.go",
		old:   "if err != nil && !passes(err) {",
		new:   "if false && !passes(err) {",
		tests: "WaitEndsWhereCompletionFails",
		pkg:   "clone",
	},
	{
		name: "a call inside waits for Close",
		file: "clone/inspect.go",
		old: `	leave, err := c.enter()
	if err == nil {
`,
		new: `	c.inside.RLock()
	defer c.inside.RUnlock()
	leave, err := func(*error) {}, error(nil)
	if err == nil {
`,
		tests: "CallsInside",
		pkg:   "clone",
	},
	{
		name:  "a file that is not ours is taken for a half-made clone",
		file:  "clone/judge.go",
		old:   `	if !ours {`,
		new:   `	if false && !ours {`,
		tests: "HalfCreated",
		pkg:   "clone",
	},
	{
		name: "dest gets its name before it is synced",
		file: "clone/guard.go",
		old: `		return fmt.Errorf("set size: %w", err)
	}
	return syncDest(d)`,
		new: `		return fmt.Errorf("set size: %w", err)
	}
	return nil`,
		tests: "EveryCrashWhileCreating|Power",
		pkg:   "clone",
	},
	{
		name: "an empty file is taken for a half-made clone",
		file: "clone/judge.go",
		old: `	if sb.Size < state.FirstBytes {
		return size == sb.Size`,
		new: `	if size == 0 {
		return true, nil
	}
	if sb.Size < state.FirstBytes {
		return size == sb.Size`,
		tests: "HalfCreated",
		pkg:   "clone",
	},
	{
		name: "a dead maker's name stays with its file",
		file: "dest/create.go",
		old:  `		if is, err := os.Lstat(t.path); err == nil && os.SameFile(is, info) {`,
		new: `		if is, err := os.Lstat(t.path); err == nil && os.SameFile(is, info) {
			continue
		} else if false {`,
		tests: "KilledMaker",
		pkg:   "dest",
	},
	{
		name:  "what somebody is making is swept",
		file:  "dest/create_linux.go",
		old:   `	if f.hold(name) { // nobody takes the name away from a file that is held`,
		new:   `	if true {`,
		tests: "Sweepers",
		pkg:   "dest",
	},
	{
		name: "a full dest is tried again at once",
		file: "clone/trouble.go",
		old: `	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	return time.Now().After(c.trouble.destAgain)`,
		new:   `	return true`,
		tests: "HydrationWaits",
		pkg:   "clone",
	},
	{
		name:  "a full dest is never tried again",
		file:  "clone/install.go",
		old:   "c.full.Load() && !c.destDue()",
		new:   "c.full.Load()",
		tests: "ReadersTry|HydrationWaits",
		pkg:   "clone",
	},
	{
		name:  "the background holds on to what cannot be kept",
		file:  "clone/fetch.go",
		old:   `			if unkept != nil && !f.demand {`,
		new:   `			if false && unkept != nil {`,
		tests: "LetsGo",
		pkg:   "clone",
	},
	{
		name:  "each of many failures counts",
		file:  "clone/hydrator.go",
		old:   `		return // one of many that failed together`,
		new:   `		_ = 0 // one of many`,
		tests: "PassingErrors",
		pkg:   "clone",
	},
	{
		name:  "trouble covers the reason of a read-only clone",
		file:  "clone/trouble.go",
		old:   "if text != t.text && c.mode() == state.ReadWrite {",
		new:   "if text != t.text {",
		tests: "ReadOnlyKeeps",
		pkg:   "clone",
	},
	{
		name:  "a final error does not stall",
		file:  "clone/trouble.go",
		old:   `	case source.KindOf(err) == source.Final:`,
		new:   `	case false:`,
		tests: "StallEnds|OnePart|ChangedSource",
		pkg:   "clone",
	},
	{
		name:  "the tail past the source's end is asked of the source",
		file:  "clone/read.go",
		old:   `	if off >= c.geo.size || c.local(r) {`,
		new:   `	if r >= c.geo.count || c.local(r) {`,
		tests: "ReadOnly|CreateSurvives|NoWrong",
		pkg:   "clone",
	},
	{
		name:  "what cannot be kept is given to its readers a region at a time",
		file:  "clone/read.go",
		old:   `	for ; r < f.hi && done < len(p); r++ {`,
		new:   `	for hi := min(f.hi, r+1); r < hi && done < len(p); r++ {`,
		tests: "HydrationWaits",
		pkg:   "clone",
	},
	{
		name: "a stalled clone asks the source again",
		file: "clone/read.go",
		old: `	if err := c.stalled(); err != nil {
		return 0, err
	}
`,
		new:   "",
		tests: "StallEnds",
		pkg:   "clone",
	},
	{
		name:  "a read has no deadline",
		file:  "clone/read.go",
		old:   `fmt.Errorf("%w (%v)", ErrTimeout, timeout)`,
		new:   "nil",
		tests: "TimeOut",
		pkg:   "clone",
	},
	{
		name: "waiters are let go at the end of a flight",
		file: "clone/flight.go",
		old: `	f.next = next
	close(f.tick)`,
		new: `	f.next = next
	if next < f.hi {
		return
	}
	close(f.tick)`,
		tests: "WaiterIs",
		pkg:   "clone",
	},
	{
		name:  "a lost request is never given up",
		file:  "clone/fetch.go",
		old:   `	if !c.spawn(func() { c.fly(f, nil, nil) }) {`,
		new:   `	if !c.spawn(func() { time.Sleep(time.Hour) }) {`,
		tests: "TimeOut",
		pkg:   "clone",
	},
	{
		name: "a slow source counts as a silent one",
		file: "clone/fetch.go",
		old: `	if b.came += n; b.came >= enough {
`,
		new: `	if b.came += n; false {
`,
		tests: "SlowIs",
		pkg:   "clone",
	},
	{
		name:  "windows do not grow",
		file:  "clone/fetch.go",
		old:   `	if c.seq.lo <= r && r < c.seq.next {`,
		new:   `	if false {`,
		tests: "Sequential",
		pkg:   "clone",
	},
	{
		name: "switched-off hydration goes on",
		file: "clone/hydrator.go",
		old: `	if !h.allowed() {
		return
	}
`,
		new:   "",
		tests: "Switched",
		pkg:   "clone",
	},
	{
		name:  "connections are not counted",
		file:  "clone/hydrator.go",
		old:   `	for h.running < h.target() && h.room() {`,
		new:   `	for h.running < 5 {`,
		tests: "ConnectionsAnd",
		pkg:   "clone",
	},
	{
		name:  "an estimate forgets that bandwidth is capped",
		file:  "clone/pace.go",
		old:   `	if most > 0 {`,
		new:   `	if false {`,
		tests: "EstimateKnows",
		pkg:   "clone",
	},
	{
		name:  "nobody takes over for an hour",
		file:  "clone/hydrator.go",
		old:   "if sleep(h.c.ctx, time.Second) != nil {",
		new:   "if sleep(h.c.ctx, time.Hour) != nil {",
		tests: "AnotherProcess",
		pkg:   "clone",
	},
	{
		name:  "what other processes do goes unnoticed",
		file:  "clone/keeper.go",
		old:   `		if now := c.observe(); now != last {`,
		new:   `		if now := c.observe(); false && now != last {`,
		tests: "WaitSees",
		pkg:   "clone",
	},
	{
		name: "a companion is used without the names lock",
		file: "clone/companions.go",
		old: `			defer c.unshareNames()
			return f(c.guarded())
`,
		new: `			c.unshareNames()
			return f(c.guarded())
`,
		tests: "NamesOf",
		pkg:   "clone",
	},
	{
		name: "an appender does not look for others' records",
		file: "clone/state/durable.go",
		old: `	if seq != d.seq {
		return d.replay()
	}
`,
		new:   "",
		tests: "AppendersTake",
		pkg:   "clone/state",
	},
	{
		name: "records of an older image are played back",
		file: "clone/state/durable.go",
		old: `	binary.LittleEndian.PutUint64(seed[16:], d.gen)
`,
		new:   "",
		tests: "RecordsOf",
		pkg:   "clone/state",
	},
	{
		name:  "a torn image counts",
		file:  "clone/state/durable.go",
		old:   "mapsSum != le.Uint32(h[biSum:])",
		new:   "false",
		tests: "TornImage",
		pkg:   "clone/state",
	},
	{
		name:  "a torn record counts",
		file:  "clone/state/durable.go",
		old:   "rec, d.checksum(rec) == le.Uint32(rec[recCRC:])",
		new:   "rec, true",
		tests: "TornRecord",
		pkg:   "clone/state",
	},
	{
		name:  "superblocks are written over one another",
		file:  "clone/state/superblock.go",
		old:   `	if s.Seq%2 == 1 {`,
		new:   `	if false {`,
		tests: "TornSuper",
		pkg:   "clone/state",
	},
	{
		name: "a state file of the future is opened",
		file: "clone/state/superblock.go",
		old: `			if isFuture(err) {
				return nil, err
			}
`,
		new:   "",
		tests: "Future",
		pkg:   "clone/state",
	},
	{
		name:  "another mount of the state file goes unnoticed",
		file:  "clone/state/stamp.go",
		old:   `	if was.Dest.Mount != now.Dest.Mount || was.State.Mount != now.State.Mount {`,
		new:   `	if was.Dest.Mount != now.Dest.Mount {`,
		tests: "StampJudge",
		pkg:   "clone/state",
	},
	{
		name:  "a read-only file is not mapped",
		file:  "clone/state/file_linux.go",
		old:   "if err == unix.EACCES || err == unix.EPERM {",
		new:   "if false {",
		tests: "ReadOnlyFile",
		pkg:   "clone/state",
	},
}
