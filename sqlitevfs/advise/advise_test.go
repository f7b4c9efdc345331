package advise

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"hydrant/clone"
	"hydrant/internal/shopdb"
	"hydrant/internal/sqlitefile"
)

const pageSize = 512

// shop is a database of small pages, so that its trees are deep.
var shop = sync.OnceValues(func() ([]byte, error) { return makeShop(8e6) })

func makeShop(size int64) ([]byte, error) {
	dir, err := os.MkdirTemp("", "hydrant-advise")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "shop.db")
	if err := shopdb.Create(context.Background(), path, shopdb.Options{Size: size, PageSize: pageSize}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// rig is an advisor with a database, of which some pages are local.
type rig struct {
	*Advisor
	t     testing.TB
	b     []byte
	local []bool // by page
	all   bool
}

func newRig(t testing.TB, all bool) *rig {
	t.Helper()
	b, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Advisor: New(), t: t, b: b, local: make([]bool, len(b)/pageSize+1), all: all}
	r.come(clone.Range{Off: 0, Len: 4096})
	return r
}

// come makes ranges local, and what the advisor makes of them, and so on. It returns how many pages
// that were.
func (r *rig) come(ranges ...clone.Range) (pages int) {
	for len(ranges) > 0 {
		next := ranges[0]
		ranges = ranges[1:]
		for off := max(next.Off, 0) / pageSize * pageSize; off < min(next.Off+next.Len, int64(len(r.b))); off += pageSize {
			if n := off/pageSize + 1; !r.local[n] {
				r.local[n] = true
				pages++
				ranges = append(ranges, r.Seen(r.b[off:off+pageSize], off)...)
			}
		}
	}
	return pages
}

// miss is a reader who waits for page n, and then has it, and what was fetched with it.
func (r *rig) miss(n uint32) []clone.Range {
	off := int64(n-1) * pageSize
	ranges := r.Missed(clone.Miss{Off: off, Len: pageSize, All: r.all, Local: func(off int64) bool { return r.local[off/pageSize+1] }})
	r.come(clone.Range{Off: off, Len: pageSize})
	r.come(ranges...)
	return ranges
}

// read reads page n, and tells whether it was missed.
func (r *rig) read(n uint32) bool {
	if r.local[n] {
		return false
	}
	r.miss(n)
	return true
}

// tree is the pages of each level below page n, in the order of their keys.
func (r *rig) tree(n uint32) (levels [][]uint32) {
	g := r.geo.Load()
	for level := []uint32{n}; len(level) > 0; {
		levels = append(levels, level)
		var below []uint32
		for _, n := range level {
			p, ok := g.Page(n, r.b[int64(n-1)*pageSize:][:pageSize])
			if !ok {
				r.t.Fatalf("page %d is none of a tree", n)
			}
			below = append(below, p.Children()...)
		}
		level = below
	}
	return levels
}

// deepest is the tree with most levels, and of those the one with most leaves.
func (r *rig) deepest() (best [][]uint32) {
	p, _ := r.geo.Load().Page(1, r.b[:pageSize])
	for _, root := range append(slices.Clone(r.roots), p.Roots()...) {
		if t := r.tree(root); len(t) > len(best) || len(t) == len(best) && len(t[len(t)-1]) > len(best[len(best)-1]) {
			best = t
		}
	}
	if len(best) < 4 {
		r.t.Fatalf("only %d levels", len(best))
	}
	return best
}

// go down from the root to leaf i, as SQLite does; returns how many pages were missed.
func (r *rig) lookup(tree [][]uint32, leaf int) (missed int) {
	path := []uint32{}
	at := tree[len(tree)-1][leaf]
	for level := len(tree) - 2; level >= 0; level-- {
		path = append(path, at)
		for _, n := range tree[level] {
			p, _ := r.geo.Load().Page(n, r.b[int64(n-1)*pageSize:][:pageSize])
			if slices.Contains(p.Children(), at) {
				at = n
				break
			}
		}
	}
	path = append(path, at)
	slices.Reverse(path)
	for _, n := range path {
		if r.read(n) {
			missed++
		}
	}
	return missed
}

// Who goes through the leaves in order, forwards or backwards, waits seldom, and with everything
// being fetched anyway only a few times; what is fetched for him is of that tree.
func TestScan(t *testing.T) {
	for _, all := range []bool{true, false} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprintf("all %v, back %v", all, back), func(t *testing.T) {
				r := newRig(t, all)
				tree := r.deepest()
				leaves := slices.Clone(tree[len(tree)-1])
				mine := map[uint32]bool{}
				for _, level := range tree {
					for _, n := range level {
						mine[n] = true
					}
				}
				for _, n := range tree[0] {
					r.read(n)
				}
				before := r.count()
				if back {
					slices.Reverse(leaves)
				}
				missed := 0
				for i := range leaves {
					at := i
					if back {
						at = len(leaves) - 1 - i
					}
					missed += r.lookup(tree, at)
				}
				fetched := r.count() - before
				t.Logf("%d leaves, %d pages of the tree: %d missed, %d fetched", len(leaves), len(mine), missed, fetched)
				if most := 20; all && missed > most {
					t.Errorf("%d missed, want no more than %d", missed, most)
				}
				if most := len(leaves)/8 + 20; missed > most {
					t.Errorf("%d missed, want no more than %d", missed, most)
				}
				if !all && fetched > len(mine)+len(mine)/50 {
					t.Errorf("%d pages fetched, and the tree has %d", fetched, len(mine))
				}
			})
		}
	}
}

func (r *rig) count() (n int) {
	for _, l := range r.local {
		if l {
			n++
		}
	}
	return n
}

// Who looks things up here and there pays for the leaf alone, after the first few times, and no leaf
// is fetched that nobody asked for.
func TestLookups(t *testing.T) {
	for _, all := range []bool{true, false} {
		r := newRig(t, all)
		tree := r.deepest()
		leaves := tree[len(tree)-1]
		above := 0
		for _, level := range tree[:len(tree)-1] {
			above += len(level)
		}
		var missed []int
		for i := range 40 {
			missed = append(missed, r.lookup(tree, (i*7919+len(leaves)/2)%len(leaves)))
		}
		t.Logf("all %v, %d leaves, %d above: %v", all, len(leaves), above, missed)
		for i, n := range missed[10:] {
			// Where a level has more pages than are fetched ahead, its page is paid for as well.
			if n > 2 {
				t.Errorf("lookup %d missed %d pages", i+10, n)
			}
		}
		fetched := 0
		for _, n := range leaves {
			if r.local[n] {
				fetched++
			}
		}
		if most := 40 + tail/pageSize; fetched > most {
			t.Errorf("%d leaves were fetched for 40 lookups", fetched)
		}
	}
}

// The first pages tell all of the schema, and the roots.
func TestRoots(t *testing.T) {
	r := newRig(t, true)
	if len(r.roots) != 6 {
		t.Errorf("%d roots: %v", len(r.roots), r.roots)
	}
	for _, n := range r.roots {
		if !r.local[n] {
			t.Errorf("root %d was not asked for", n)
		}
	}
}

// A small database is one range, whatever of it is missed, and nothing of it is asked for before.
func TestSmallDatabaseIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "small.db")
	if err := shopdb.Create(t.Context(), path, shopdb.Options{Size: whole * 3 / 4}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) > whole {
		t.Fatal(len(b), err)
	}
	a := New()
	if got := a.Seen(b[:64<<10], 0); got != nil {
		t.Errorf("asked for %v", got)
	}
	for _, off := range []int64{64 << 10, 300 << 10, int64(len(b)) - 4096} {
		got := a.Missed(clone.Miss{Off: off, Len: 4096, Local: func(int64) bool { return false }})
		if want := (clone.Range{Off: 0, Len: int64(len(b))}); len(got) != 1 || got[0] != want {
			t.Errorf("missed %d: asked for %v, want %v", off, got, want)
		}
	}
}

// The pages that are free are known when the list of them has been seen, and they alone are left for
// the end.
func TestFreePagesComeLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "free.db")
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	const rows = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<30000) INSERT INTO %s SELECT n, randomblob(90) FROM c"
	for _, q := range []string{
		"PRAGMA page_size=512", "CREATE TABLE a(id INTEGER PRIMARY KEY, b)", "CREATE TABLE gone(id INTEGER PRIMARY KEY, b)",
		"CREATE TABLE z(id INTEGER PRIMARY KEY, b)", fmt.Sprintf(rows, "a"), fmt.Sprintf(rows, "gone"), fmt.Sprintf(rows, "z"), "DROP TABLE gone",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := sqlitefile.Decode(b)
	r := &rig{Advisor: New(), t: t, b: b, local: make([]bool, len(b)/pageSize+1), all: true}
	r.come(clone.Range{Off: 0, Len: 4096})
	tree := r.tree(r.roots[0])
	leaves := tree[len(tree)-1]
	r.lookup(tree, len(leaves)/2)
	var sum int64
	used := map[uint32]bool{}
	for _, root := range r.roots {
		for _, level := range r.tree(root) {
			for _, n := range level {
				used[n] = true
			}
		}
	}
	for _, last := range r.Last() {
		sum += last.Len
		for n := last.Off/pageSize + 1; n <= (last.Off+last.Len)/pageSize; n++ {
			if used[uint32(n)] {
				t.Fatalf("page %d is not free", n)
			}
		}
	}
	if free := int64(h.FreelistCount) * pageSize; sum < free*9/10 || free < 2*freeRun {
		t.Errorf("%d bytes are left for the end, and %d are free", sum, free)
	}
}

// When it is shown everything it remembers no more than so much, and what it says is about pages of
// the database.
func TestMemoryIsBounded(t *testing.T) {
	a := New()
	g := sqlitefile.Geometry{PageSize: 4096, Usable: 4096, Pages: 1 << 31}
	a.geo.Store(&g)
	b := make([]byte, 4096)
	b[0] = sqlitefile.TableInterior
	const cells = 300
	binary.BigEndian.PutUint16(b[3:], cells)
	binary.BigEndian.PutUint16(b[5:], 12+2*cells)
	for i := range cells {
		at := 12 + 2*cells + 5*i
		binary.BigEndian.PutUint16(b[12+2*i:], uint16(at))
		binary.BigEndian.PutUint32(b[at:], uint32(1000+i))
	}
	binary.BigEndian.PutUint32(b[8:], 999)
	for n := range int64(3000) {
		a.Seen(b, (n+5)*4096)
		a.Missed(clone.Miss{Off: (1000 + n%cells) * 4096, Len: 4096, All: true, Local: func(int64) bool { return false }})
	}
	if a.kids > mostKids || len(a.nodes) > mostKids/cells || len(a.order) != len(a.nodes) || cap(a.order) > 8*len(a.order) {
		t.Errorf("%d children of %d pages are remembered, %d in order of %d", a.kids, len(a.nodes), len(a.order), cap(a.order))
	}
	if len(a.nodes) < mostKids/cells/2 {
		t.Errorf("only %d pages are remembered: the test shows nothing", len(a.nodes))
	}
}

// Whatever pages hold, in whatever order they come and are missed, it ends, and what it says is
// bounded.
func FuzzAdvisor(f *testing.F) {
	b, err := makeShop(20 * pageSize)
	if err != nil {
		f.Fatal(err)
	}
	b = b[:20*pageSize]
	f.Add(b, []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(circle(b), []byte{3, 4, 3, 5, 4, 6, 3, 4})
	f.Fuzz(func(t *testing.T, pages, missed []byte) {
		a := New()
		pages = pages[:len(pages)/pageSize*pageSize]
		check := func(ranges []clone.Range) {
			sum := int64(0)
			for _, r := range ranges {
				if r.Off < 0 || r.Len <= 0 {
					t.Fatalf("range %+v", r)
				}
				sum += r.Len
			}
			if sum > int64(mostBlocks+1)*block+tail {
				t.Fatalf("%d bytes wanted", sum)
			}
		}
		for at := 0; at < len(pages); at += pageSize {
			check(a.Seen(pages[at:at+pageSize], int64(at)))
		}
		for i, m := range missed {
			local := func(off int64) bool { return (off/pageSize+int64(i))%3 == 0 }
			check(a.Missed(clone.Miss{Off: int64(m) * pageSize, Len: pageSize, All: i%2 == 0, Local: local}))
			if at := int(m) * pageSize; at < len(pages) {
				check(a.Seen(pages[at:at+pageSize], int64(at)))
			}
		}
	})
}

// circle is database b, but with interior pages that name each other and themselves.
func circle(b []byte) []byte {
	b = slices.Clone(b)
	for n := 1; n < 20; n++ {
		p := b[n*pageSize:][:pageSize]
		clear(p)
		p[0] = sqlitefile.TableInterior
		binary.BigEndian.PutUint16(p[3:], 2)
		binary.BigEndian.PutUint16(p[5:], 100)
		binary.BigEndian.PutUint32(p[8:], uint32(n%19+2))
		for i := range 2 {
			binary.BigEndian.PutUint16(p[12+2*i:], uint16(100+10*i))
			binary.BigEndian.PutUint32(p[100+10*i:], uint32((n*7+i)%19+2))
		}
	}
	return b
}

// What hydration pays for each page that passes by.
func BenchmarkSeen(b *testing.B) {
	r := newRig(b, true)
	for _, kind := range []struct {
		name string
		size int
	}{{"background", 256 << 10}, {"reader", 64 << 10}} {
		b.Run(kind.name, func(b *testing.B) {
			b.SetBytes(int64(kind.size))
			for i := range b.N {
				off := i * kind.size % (len(r.b) / kind.size * kind.size)
				r.Seen(r.b[off:off+kind.size], int64(off))
			}
		})
	}
}
