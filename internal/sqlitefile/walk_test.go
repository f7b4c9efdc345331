package sqlitefile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hydrant/internal/shopdb"
	"hydrant/internal/sqlitefile"
)

// walk goes through a whole database by what its pages name, and counts how often it comes to each.
type walk struct {
	t    *testing.T
	g    sqlitefile.Geometry
	b    []byte
	seen []int
}

func (w *walk) page(n uint32) []byte {
	w.seen[n]++
	return w.b[int(n-1)*w.g.PageSize:][:w.g.PageSize]
}

// tree visits the b-tree that begins at page n, and gives its leaves to leaf.
func (w *walk) tree(n uint32, leaf func(sqlitefile.Page)) {
	p, ok := w.g.Page(n, w.page(n))
	if !ok {
		w.t.Errorf("page %d is no page of a b-tree", n)
		return
	}
	for _, c := range p.Chains(1 << 20) {
		w.chain(c)
	}
	if !p.Interior() {
		leaf(p)
		return
	}
	children := p.Children()
	if children == nil {
		w.t.Errorf("page %d has no children", n)
	}
	for _, c := range children {
		w.tree(c, leaf)
	}
}

func (w *walk) chain(c sqlitefile.Chain) {
	n, left := c.First, c.Pages
	for ; n != 0; n = w.g.NextOverflow(w.page(n)) {
		left--
	}
	// A chain that does not lie in one piece at the end of the file is cut to what fits.
	if left != 0 && c.First+c.Pages-1 != w.g.Pages {
		w.t.Errorf("the chain from page %d was to be %d pages long, and is %d", c.First, c.Pages, c.Pages-left)
	}
}

// Every page is in the schema, in a tree that it names, in the freelist, or reserved, and nowhere
// else: that is what pages say of each other, read without an error.
func TestEveryPageIsReached(t *testing.T) {
	for _, size := range []int{512, 1024, 4096, 65536} {
		for _, vacuum := range []string{"NONE", "FULL", "INCREMENTAL"} {
			t.Run(fmt.Sprintf("%d %s", size, vacuum), func(t *testing.T) {
				b := database(t, size, vacuum)
				h, err := sqlitefile.Decode(b)
				if err != nil {
					t.Fatal(err)
				}
				w := &walk{t: t, g: h.Geometry(int64(len(b))), b: b}
				w.seen = make([]int, w.g.Pages+1)
				var roots []uint32
				w.tree(1, func(p sqlitefile.Page) { roots = append(roots, p.Roots()...) })
				if len(roots) < 5 {
					t.Errorf("%d roots", len(roots))
				}
				for _, r := range roots {
					w.tree(r, func(sqlitefile.Page) {})
				}
				free := 0
				for n := h.FreelistTrunk; n != 0; {
					next, leaves := w.g.Trunk(w.page(n))
					for _, l := range leaves {
						w.page(l)
					}
					free += 1 + len(leaves)
					n = next
				}
				if free != int(h.FreelistCount) || free == 0 && vacuum != "FULL" {
					t.Errorf("%d free pages, the header says %d", free, h.FreelistCount)
				}
				for n := uint32(1); n <= w.g.Pages; n++ {
					want := 1
					if w.g.Reserved(n) {
						want = 0
					}
					if w.seen[n] != want {
						t.Errorf("page %d was reached %d times, want %d", n, w.seen[n], want)
					}
				}
			})
		}
	}
}

// database makes one with tables and indexes several pages deep, long rows, long keys and free
// pages.
func database(t testing.TB, pageSize int, vacuum string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	rows := max(300, pageSize/8)
	for _, q := range []string{
		fmt.Sprintf("PRAGMA page_size=%d", pageSize),
		"PRAGMA auto_vacuum=" + vacuum,
		"CREATE TABLE a(id INTEGER PRIMARY KEY, s TEXT, b BLOB)",
		"CREATE INDEX a_s ON a(s)",
		"CREATE INDEX a_bs ON a(b, s)",
		"CREATE TABLE w(k BLOB PRIMARY KEY, v) WITHOUT ROWID",
		"CREATE TABLE gone(x)",
		"CREATE VIEW v AS SELECT s FROM a",
		"CREATE TABLE long(" + columns(200) + ")",
		fmt.Sprintf("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<%d) "+
			"INSERT INTO a SELECT n, printf('%%0*d', n%%50+1, n), randomblob(CASE n%%40 WHEN 0 THEN %d ELSE n%%97 END) FROM c", rows, 3*pageSize+17),
		fmt.Sprintf("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<%d) "+
			"INSERT INTO w SELECT randomblob(CASE n%%30 WHEN 0 THEN %d ELSE 20 END), n FROM c", rows, pageSize),
		"INSERT INTO gone SELECT randomblob(2000) FROM a",
		"DROP TABLE gone",
		"DELETE FROM a WHERE id%7=0",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func columns(n int) string {
	s := "c0"
	for i := range n {
		s += fmt.Sprintf(", a_column_with_a_name_%d TEXT", i)
	}
	return s
}

// Whatever is in a page, what it names is inside the database.
func FuzzPage(f *testing.F) {
	b := database(f, 512, "FULL")
	for i := 0; i < 40; i++ {
		f.Add(b[i*512:][:512], uint32(i+1), uint32(len(b)/512), byte(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, number, pages uint32, reserved byte) {
		pages = min(pages, 1<<32-2)
		g := sqlitefile.Geometry{PageSize: len(b), Usable: len(b) - int(reserved), Pages: pages, Maps: reserved&1 != 0}
		inside := func(what string, n uint32) {
			if n < 2 || n > pages {
				t.Errorf("%s: page %d of %d", what, n, pages)
			}
		}
		if next, free := g.Trunk(b); next != 0 || free != nil {
			if next != 0 {
				inside("trunk", next)
			}
			for _, p := range free {
				inside("free", p)
			}
		}
		if n := g.NextOverflow(b); n != 0 {
			inside("overflow", n)
		}
		p, ok := g.Page(number, b)
		if !ok {
			return
		}
		for _, c := range p.Children() {
			inside("child", c)
		}
		for _, c := range p.Chains(100) {
			inside("chain", c.First)
			if c.Pages < 1 || c.Pages > pages-c.First+1 {
				t.Errorf("chain of %d from %d, of %d", c.Pages, c.First, pages)
			}
		}
		for _, r := range p.Roots() {
			inside("root", r)
		}
	})
}
