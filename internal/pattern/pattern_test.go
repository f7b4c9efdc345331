package pattern

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestAnyRangeWithoutTheRest(t *testing.T) {
	for _, b := range []Blob{{}, {Seed: 7}, {Seed: 7, ZeroEvery: 3, ZeroRun: 24}, {Seed: 1, ZeroEvery: 1}} {
		whole := b.Bytes(1000)
		rapid.Check(t, func(t *rapid.T) {
			off := rapid.IntRange(0, 999).Draw(t, "off")
			n := rapid.IntRange(0, 1000-off).Draw(t, "n")
			if got := b.Range(int64(off), int64(n)); !bytes.Equal(got, whole[off:off+n]) {
				t.Fatalf("%+v: [%d,+%d) differs from the whole", b, off, n)
			}
			if err := b.Check(whole[off:off+n], int64(off)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The content is part of golden files elsewhere: it never changes.
func TestContentIsFixed(t *testing.T) {
	want := "\x03\xf1f\xb23\xe3\xef(R\x9f\x0f\x13WgRG"
	if got := (Blob{Seed: 42}).Range(16, 16); string(got) != want {
		t.Fatalf("got %q", got)
	}
}

func TestMixIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Uint64().Draw(t, "x")
		if unmix(mix(x)) != x {
			t.Fatalf("unmix(mix(%#x)) = %#x", x, unmix(mix(x)))
		}
	})
	if g := uint64(golden); g*goldenInverse != 1 {
		t.Fatal("goldenInverse is not the inverse")
	}
}

func TestCheckSaysWhatStandsThere(t *testing.T) {
	b := Blob{Seed: 3}
	tests := []struct {
		name string
		p    []byte
		want string
	}{
		{"zeros", make([]byte, 64), "offset 4096: got 0x00"},
		{"zeros", make([]byte, 64), "zeros stand there"},
		{"other offset", b.Range(1<<40, 64), "the bytes of offset 1099511627776 stand there"},
		{"shifted", b.Range(4097, 64), "the bytes of offset 4097 stand there"},
		{"foreign", bytes.Repeat([]byte{7}, 64), "foreign bytes stand there"},
		{"one short", b.Range(4096+100, 1), "foreign bytes stand there"},
	}
	for _, tt := range tests {
		err := b.Check(tt.p, 4096)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestZeroRuns(t *testing.T) {
	b := Blob{Seed: 9, ZeroEvery: 4, ZeroRun: 4096}
	var zero int
	for run := range int64(1000) {
		allZero := bytes.Equal(b.Range(run*4096, 4096), make([]byte, 4096))
		if allZero != b.IsZero(run*4096) || allZero != b.IsZero(run*4096+4095) {
			t.Fatalf("run %d: all zeros %v, IsZero says otherwise", run, allZero)
		}
		if allZero {
			zero++
		}
	}
	if zero < 200 || zero > 300 {
		t.Errorf("%d of 1000 runs are zeros, want about 250", zero)
	}
}

func TestReader(t *testing.T) {
	b := Blob{Seed: 5}
	if err := iotest.TestReader(b.Reader(3000), b.Bytes(3000)); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkFill(b *testing.B) {
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	for i := 0; b.Loop(); i++ {
		Blob{Seed: 1}.Fill(p, int64(i)<<20)
	}
}
