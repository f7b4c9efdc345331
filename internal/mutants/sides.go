package mutants

// sides breaks what stands beside the maps: the pair of dest and state file, the cut, the ledger of what was
// fetched, the postings, and the lock of those who are alive.
var sides = []mutation{
	{
		name: "the number of the moment changes in the state file alone",
		file: "clone/pair.go",
		old: `	if ok, err := putPair(d, sb, sb.NextPair); !ok {
		return err
	}
`,
		new:   ``,
		pkg:   "clone",
		tests: "FilesOfOneMoment|CloneSurvives",
	},
	{
		name:  "the number of the moment never changes",
		file:  "clone/pair.go",
		old:   "\tsb.NextPair = binary.LittleEndian.Uint32(b[:])\n",
		new:   "\tsb.NextPair = sb.Pair + 0*binary.LittleEndian.Uint32(b[:])\n",
		pkg:   "clone",
		tests: "FilesOfOneMoment",
	},
	{
		name: "dest gets another number before the state file knows of it",
		file: "clone/pair.go",
		old: `	if err := state.WriteSuperblock(f, sb); err != nil {
		return err
	}
`,
		new:   ``,
		pkg:   "clone",
		tests: "Exhaustive",
	},
	{
		name:  "a number that was half changed is taken for certain",
		file:  "clone/pair.go",
		old:   "\tif sb.Pair != sb.NextPair {\n",
		new:   "\tif false {\n",
		pkg:   "clone",
		tests: "NotTakenForSynced",
	},
	{
		name: "files of two moments are taken for a pair",
		file: "clone/attach.go",
		old: `	case sb.SameClone(front):
`,
		new: `	case false:
`,
		pkg:   "clone",
		tests: "FilesOfOneMoment",
	},
	{
		name: "cutting dest is not recorded",
		file: "clone/truncate.go",
		old: `		sb.Cut = max(sb.Cut, c.geo.size-size)
`,
		new:   ``,
		pkg:   "clone",
		tests: "CutByOthers|Exhaustive",
	},
	{
		name:  "a dest that others have cut is attached to",
		file:  "clone/judge.go",
		old:   `sb.Phase == state.Live && size < least`,
		new:   `false && size < least`,
		pkg:   "clone",
		tests: "CutByOthers",
	},
	{
		name: "a dest that is cut while it is in use reads as zeros",
		file: "clone/truncate.go",
		old: `	if !c.guarded() || size >= c.geo.size-c.maxCut.Load() {
`,
		new: `	if true {
`,
		pkg:   "clone",
		tests: "CutByOthers",
	},
	{
		name:  "what was put into dest is not noted",
		file:  "clone/install.go",
		old:   "		c.ledger.add(off, b)\n",
		new:   "",
		pkg:   "clone",
		tests: "FlippedBit",
	},
	{
		name: "pieces of the ledger are joined the wrong way round",
		file: "clone/ledger.go",
		old: `		p = l.joinLocked(p, right)
`,
		new: `		p = l.joinLocked(right, p)
`,
		pkg:   "clone",
		tests: "Ledger",
	},
	{
		name:  "a ledger of a part is taken for one of all",
		file:  "clone/ledger.go",
		old:   ` || p.hi != l.size {`,
		new:   ` {`,
		pkg:   "clone",
		tests: "Ledger",
	},
	{
		name:  "a checksum that differs is no damage",
		file:  "clone/ledger.go",
		old:   "p.sums[i] != l.sum.Value {",
		new:   "p.sums[i] != p.sums[i] {",
		pkg:   "clone",
		tests: "FlippedBit",
	},
	{
		name:  "damage is not recorded",
		file:  "clone/complete.go",
		old:   `		if err := c.updateSuper(ctx, func(sb *state.Superblock) { sb.Corrupt = true }); err != nil {`,
		new:   `		if err := c.updateSuper(ctx, func(sb *state.Superblock) {}); err != nil {`,
		pkg:   "clone",
		tests: "FlippedBit",
	},
	{
		name: "who meets another posting goes on all the same",
		file: "clone/posts.go",
		old: `	if c.posts.meets(f.span) {
`,
		new: `	if false {
`,
		pkg:   "clone",
		tests: "WhoMeetsAnotherPosting",
	},
	{
		name: "a posting without a heartbeat counts",
		file: "clone/state/posting.go",
		old:  `	return p.Owner.Load() != 0 && -int64(PostLife) < age && age < int64(PostLife)`,
		new: `	_ = age
	return p.Owner.Load() != 0`,
		pkg:   "clone",
		tests: "PostingsOfTheDead|PostingOfAStopped",
	},
	{
		name:  "a reader waits for another process whatever it takes",
		file:  "clone/posts.go",
		old:   "\t\tif waited := time.Since(begun); waited >= own {",
		new:   "\t\tif waited := time.Since(begun); waited < 0 {",
		pkg:   "clone",
		tests: "DoesNotWaitLong|PostingOfAStopped",
	},
	{
		name:  "the postings of the last hydrator stay",
		file:  "clone/posts.go",
		old:   `owner != 0 && owner&waitedFor == 0 {`,
		new:   `owner != 0 && false {`,
		pkg:   "clone",
		tests: "PostingsOfTheDead|TakeOver",
	},
	{
		name:  "whoever has judged does not say so",
		file:  "clone/attach.go",
		old:   `		if ok, err := f.TryLock(state.LockLive, 1, false); err != nil || !ok {`,
		new:   `		if ok, err := true, error(nil); err != nil || !ok {`,
		pkg:   "clone",
		tests: "SharesAClone|ProcessesShare|Joiner",
	},
}
