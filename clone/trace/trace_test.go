package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "of the random tests; 0: another one each time")

func newRand(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("again: go test -run '^%s$' ./clone/trace -seed=%d", t.Name(), seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// someTrace is a trace of one run over a blob of units units.
func someTrace(r *rand.Rand, units int64) *Trace {
	t := &Trace{Size: units * Unit, Runs: 1}
	for range r.IntN(8) {
		off := r.Int64N(units * Unit)
		t.Ranges = append(t.Ranges, Range{Off: off, Len: 1 + r.Int64N(units*Unit-off), Seen: 1})
	}
	return t
}

// first is where in t each unit is wanted first, -1 for nowhere.
func first(t *Trace, units int64) []int {
	place := make([]int, units)
	for u := range place {
		place[u] = slices.IndexFunc(t.Ranges, func(r Range) bool { return r.Off < int64(u+1)*Unit && r.End() > int64(u)*Unit })
	}
	return place
}

// Tidying changes neither what is named nor in which order it comes first.
func TestTidyKeepsTheOrder(t *testing.T) {
	r := newRand(t)
	const units = 24
	for range 2000 {
		was := someTrace(r, units)
		now := was.Tidy()
		if now.overlaps() {
			t.Fatalf("%v becomes %v, which names bytes twice", was, now)
		}
		a, b := first(was, units), first(now, units)
		for u := range a {
			if (a[u] < 0) != (b[u] < 0) {
				t.Fatalf("%v becomes %v: unit %d is in one of them", was, now, u)
			}
			for v := range a {
				if a[u] >= 0 && a[v] >= 0 && a[u] < a[v] && b[u] > b[v] {
					t.Fatalf("%v becomes %v: units %d and %d change places", was, now, u, v)
				}
			}
		}
		if again := now.Tidy(); !reflect.DeepEqual(again, now) {
			t.Fatalf("%v becomes %v, and then %v", was, now, again)
		}
	}
}

// What comes out of Merge is compared with what is counted unit by unit.
func TestMergeAgainstCounting(t *testing.T) {
	r := newRand(t)
	const units = 16
	for range 2000 {
		traces := make([]*Trace, 1+r.IntN(5))
		for i := range traces {
			traces[i] = someTrace(r, units)
		}
		got := Merge(traces...)
		if got.Runs != len(traces) || got.overlaps() {
			t.Fatalf("%v give %v", traces, got)
		}
		seen, middle := make([]int, units), make([]float64, units)
		for u := range seen {
			var places []int
			for _, one := range traces {
				if p := first(one.Tidy(), units)[u]; p >= 0 {
					places = append(places, p)
				}
			}
			if seen[u] = len(places); seen[u] > 0 {
				slices.Sort(places)
				middle[u] = float64(places[(len(places)-1)/2]+places[len(places)/2]) / 2
			}
		}
		place := first(got, units)
		for u := range seen {
			if (place[u] >= 0) != (seen[u] > 0) || place[u] >= 0 && got.Ranges[place[u]].Seen != seen[u] {
				t.Fatalf("%v give %v: unit %d was wanted by %d", traces, got, u, seen[u])
			}
			for v := range seen {
				before := seen[u] > seen[v] || seen[u] == seen[v] && middle[u] < middle[v]
				if seen[v] > 0 && before && place[u] > place[v] {
					t.Fatalf("%v give %v: unit %d (of %d at %v) comes behind %d (of %d at %v)", traces, got, u, seen[u], middle[u], v, seen[v], middle[v])
				}
			}
		}
		slices.Reverse(traces)
		if again := Merge(traces...); !reflect.DeepEqual(again, got) {
			t.Fatalf("%v give %v, and the other way round %v", traces, got, again)
		}
	}
}

func TestMergeOfMerged(t *testing.T) {
	const k = 4096
	a := &Trace{Runs: 1, Ranges: []Range{{0, k, 1}, {8 * k, k, 1}, {4 * k, 2 * k, 1}}}
	b := &Trace{Runs: 1, Ranges: []Range{{5 * k, k, 1}, {0, k, 1}, {100 * k, k, 1}}}
	got := Merge(nil, a, b)
	want := &Trace{Runs: 2, Ranges: []Range{{0, k, 2}, {5 * k, k, 2}, {8 * k, k, 1}, {4 * k, k, 1}, {100 * k, k, 1}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	// A third run that wants one of the rest again brings that forward, behind what all want.
	got = Merge(got, &Trace{Runs: 1, Ranges: []Range{{100 * k, k, 1}, {0, k, 1}}})
	if first := got.Ranges[0]; first != (Range{0, k, 3}) || got.Runs != 3 || got.Ranges[1].Off != 100*k && got.Ranges[2].Off != 100*k {
		t.Errorf("got %v", got)
	}
}

// However often runs are merged, counts stay bounded, what all want stays in front, and what was
// wanted once is forgotten.
func TestMergeForgets(t *testing.T) {
	all := &Trace{}
	for i := range int64(500) {
		all = Merge(all, &Trace{Runs: 1, Ranges: []Range{{(2 + i) << 20, Unit, 1}, {0, Unit, 1}}})
	}
	if all.Runs > MaxRuns || all.Ranges[0].Off != 0 {
		t.Errorf("%d runs, first %v", all.Runs, all.Ranges[0])
	}
	if n := len(all.Ranges); n > 2*rare+2 {
		t.Errorf("%d ranges, of which each was wanted once but for one", n)
	}
	if all.Ranges[0].Seen*10 < all.Runs*9 {
		t.Errorf("what all wanted has %d of %d", all.Ranges[0].Seen, all.Runs)
	}
}

func TestWithin(t *testing.T) {
	tr := &Trace{Runs: 1, Ranges: []Range{{4096, 4096, 1}, {1 << 30, 512, 1}, {0, 512, 1}, {8192, 8192, 1}}}
	got := tr.Within(10_000, 0).Ranges
	if want := []Range{{4096, 4096, 1}, {0, 512, 1}, {8192, 10_000 - 8192, 1}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got = tr.Within(1<<40, 4096+100).Ranges
	if want := []Range{{4096, 4096, 1}, {1 << 30, 100, 1}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := tr.Within(0, 0).Bytes(); got != 0 {
		t.Errorf("%d bytes of an empty blob", got)
	}
}

func TestEncodedTraceIsBounded(t *testing.T) {
	r := newRand(t)
	tr := &Trace{Runs: 3}
	for range 40_000 {
		tr.Ranges = append(tr.Ranges, Range{Off: r.Int64N(1<<40) &^ (Unit - 1), Len: Unit, Seen: 1 + r.IntN(3)})
	}
	b := tr.Encode()
	if len(b) > MaxEncoded || len(b) < MaxEncoded-32 {
		t.Fatalf("%d bytes", len(b))
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := tr.Tidy().Ranges[:len(got.Ranges)]; !slices.Equal(got.Ranges, want) {
		t.Error("what is there is not the beginning")
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := (&Trace{Size: 1 << 20, Runs: 2, Ranges: []Range{{0, 4096, 2}, {8192, 512, 1}, {4096, 512, 1}}}).Encode()
	if _, err := Decode(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if _, err := Decode(bad); !errors.Is(err, ErrNotTrace) && !errors.Is(err, ErrFuture) {
				t.Errorf("byte %d flipped: %v", i, err)
			}
		}
		if _, err := Decode(good[:i]); !errors.Is(err, ErrNotTrace) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	if _, err := Decode(append(bytes.Clone(good), 0)); !errors.Is(err, ErrNotTrace) {
		t.Errorf("longer: %v", err)
	}
	for name, change := range map[string]func(b []byte){
		"newer":        func(b []byte) { b[offVers] = 2 },
		"no run":       func(b []byte) { b[offRuns] = 0 },
		"many runs":    func(b []byte) { b[offRuns+1] = 1 },
		"fewer ranges": func(b []byte) { b[offCount] = 2 },
		"more ranges":  func(b []byte) { b[offCount] = 4 },
		"seen by more": func(b []byte) { b[HeaderSize+2] = 3 },
		"seen by none": func(b []byte) { b[HeaderSize+2] = 0 },
		"no length":    func(b []byte) { b[HeaderSize+1] = 0 },
		"before 0":     func(b []byte) { b[HeaderSize] = 1 },
		"twice":        func(b []byte) { b[HeaderSize+3] = 1 },
		"size below 0": func(b []byte) { b[offSize+7] = 0x80 },
	} {
		bad := bytes.Clone(good)
		change(bad)
		want := ErrNotTrace
		if name == "newer" {
			want = ErrFuture
		}
		if _, err := Decode(resum(bad)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// resum makes the checksum of b right.
func resum(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[offSum:], 0)
	binary.LittleEndian.PutUint32(b[offSum:], crc32.Checksum(b, castagnoli))
	return b
}

// An encoded trace of form 1 changes never: a newer version has to read it.
func TestGoldenTrace(t *testing.T) {
	want := &Trace{Size: 1 << 33, Runs: 3, Ranges: []Range{
		{0, 65536, 3}, {1 << 32, 4096, 3}, {1<<32 - 8192, 4096, 2}, {1 << 20, 1 << 21, 1}}}
	path := filepath.Join("testdata", "form1")
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) && os.Getenv("UPDATE_GOLDEN") != "" {
		b = want.Encode()
		os.MkdirAll("testdata", 0o755)
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !bytes.Equal(want.Encode(), b) {
		t.Error("what is written today differs from the golden file")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&Trace{}).Encode())
	f.Add((&Trace{Size: 5, Runs: 2, Ranges: []Range{{0, 512, 2}, {1 << 30, 1 << 20, 1}, {512, 4096, 1}}}).Encode())
	f.Add((&Trace{Runs: 1, Ranges: []Range{{MaxEnd - 512, 512, 1}, {0, 1, 1}}}).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		// Almost nothing would come past the checksum and the length.
		if len(b) >= HeaderSize && len(b) <= MaxEncoded {
			b = bytes.Clone(b)
			copy(b, Magic)
			binary.LittleEndian.PutUint32(b[offLen:], uint32(len(b)))
			resum(b)
		}
		tr, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrNotTrace) && !errors.Is(err, ErrFuture) {
				t.Fatal(err)
			}
			return
		}
		for _, r := range tr.Ranges {
			if r.Off < 0 || r.Len < 1 || r.End() > MaxEnd || r.Seen < 1 || r.Seen > tr.Runs {
				t.Fatalf("%+v", r)
			}
		}
		tidy := tr.Tidy()
		again, err := Decode(tr.Encode())
		if err != nil || !slices.Equal(again.Ranges, tidy.Ranges[:len(again.Ranges)]) || again.Runs != tidy.Runs {
			t.Fatalf("%v becomes %v, %v", tidy, again, err)
		}
		if twice := Merge(tr, tr); twice.Runs > MaxRuns || twice.overlaps() {
			t.Fatalf("%v", twice)
		}
		for _, r := range tr.Within(1<<20, 1<<16).Ranges {
			if r.End() > 1<<20 || r.Len < 1 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
