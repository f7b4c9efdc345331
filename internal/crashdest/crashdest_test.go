package crashdest_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"hydrant/dest"
	"hydrant/dest/desttest"
	"hydrant/internal/crashdest"

	"pgregory.net/rapid"
)

func TestConformance(t *testing.T) {
	desttest.Run(t, func(*testing.T) dest.Target { return new(crashdest.Disk) })
}

func create(t *testing.T) (*crashdest.Disk, dest.Dest) {
	t.Helper()
	disk := new(crashdest.Disk)
	d, err := disk.Create()
	if err != nil {
		t.Fatal(err)
	}
	return disk, d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, d dest.Dest, p string, off int64) {
	t.Helper()
	_, err := d.WriteAt([]byte(p), off)
	must(t, err)
}

// outcomes crashes many times and returns how often each image came out.
func outcomes(disk *crashdest.Disk) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(500) {
		seen[string(disk.Crash(rand.New(rand.NewPCG(seed, 0))).Image())]++
	}
	return seen
}

func TestSyncedSurvives(t *testing.T) {
	disk, d := create(t)
	write(t, d, "synced", 0)
	must(t, d.Sync())
	if seen := outcomes(disk); seen["synced"] != 500 {
		t.Errorf("images %v", seen)
	}
	if n := disk.Unsynced(); n != 0 {
		t.Errorf("%d unsynced operations", n)
	}
}

func TestUnsyncedMayVanish(t *testing.T) {
	disk, d := create(t)
	write(t, d, "old", 0)
	must(t, d.Sync())
	write(t, d, "NEW", 0)
	write(t, d, "!", 3)
	seen := outcomes(disk)
	for _, image := range []string{"old", "NEW", "old!", "NEW!", "old\x00", "NEW\x00"} {
		if seen[image] == 0 {
			t.Errorf("the image %q never came out", image)
		}
		delete(seen, image)
	}
	if len(seen) > 0 {
		t.Errorf("impossible images: %v", seen)
	}
	if got := disk.CrashKeepAll().Image(); string(got) != "NEW!" {
		t.Errorf("after a crash of the process: %q", got)
	}
	if string(disk.Image()) != "NEW!" {
		t.Error("a crash changed the disk it was asked of")
	}
}

// TestTorn checks that tears are on sector boundaries of the disk, not of the write.
//
//	sector   0        1        2        3
//	         |.....aaa|bbbbbbbb|cccccccc|dd......|
func TestTorn(t *testing.T) {
	disk, d := create(t)
	const size = 4 * 512
	write(t, d, strings.Repeat(".", size), 0)
	must(t, d.Sync())
	write(t, d, strings.Repeat("x", size-512), 300)
	patterns := map[string]bool{}
	for image := range outcomes(disk) {
		pattern := ""
		for _, part := range [][2]int{{0, 300}, {300, 512}, {512, 1024}, {1024, 1536}, {1536, 1836}, {1836, size}} {
			b := image[part[0]:part[1]]
			if strings.Count(b, b[:1]) != len(b) {
				t.Fatalf("[%d, %d) is torn within a sector", part[0], part[1])
			}
			pattern += b[:1]
		}
		patterns[pattern] = true
	}
	if len(patterns) != 16 {
		t.Errorf("%d patterns of 16: %v", len(patterns), patterns)
	}
}

func TestTruncateMayVanish(t *testing.T) {
	disk, d := create(t)
	write(t, d, "abcdef", 0)
	must(t, d.Sync())
	must(t, d.Truncate(3))
	if seen := outcomes(disk); seen["abc"] == 0 || seen["abcdef"] == 0 || len(seen) != 2 {
		t.Errorf("images %v", seen)
	}
}

// TestFailedSync is the kernel that forgets: what a failed Sync was asked for is never sure again.
func TestFailedSync(t *testing.T) {
	disk, d := create(t)
	write(t, d, "aa", 0)
	disk.FailSync(syscall.EIO)
	if err := d.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Sync: %v, want EIO", err)
	}
	write(t, d, "b", 2)
	must(t, d.Sync())
	seen := outcomes(disk)
	if seen["aab"] == 0 || seen["\x00\x00b"] == 0 || len(seen) != 2 {
		t.Errorf("images %v", seen)
	}
	if string(disk.Image()) != "aab" {
		t.Errorf("it reads %q", disk.Image())
	}
}

// TestSeedRepeats checks that the same seed is the same crash.
func TestSeedRepeats(t *testing.T) {
	disk, d := create(t)
	for i := range 50 {
		write(t, d, strings.Repeat(string(rune('a'+i%26)), 3000), int64(i)*1000)
	}
	crash := func(seed uint64) []byte { return disk.Crash(rand.New(rand.NewPCG(seed, seed))).Image() }
	if !bytes.Equal(crash(1), crash(1)) {
		t.Error("one seed gives two images")
	}
	if bytes.Equal(crash(1), crash(2)) {
		t.Error("two seeds give one image")
	}
}

// TestModel crashes after random operations: each byte is what some write since the last Sync put
// there, or what was there at the Sync, or a hole's zero.
func TestModel(t *testing.T) {
	const room = 8192
	rapid.Check(t, func(rt *rapid.T) {
		disk, d := create(t)
		var synced [room]byte
		possible := make([]map[byte]bool, room)
		settle := func() {
			copy(synced[:], disk.Image())
			for i := range possible {
				possible[i] = map[byte]bool{synced[i]: true}
			}
		}
		must(t, d.Truncate(room))
		must(t, d.Sync())
		settle()
		for i := range rapid.IntRange(1, 20).Draw(rt, "operations") {
			if rapid.IntRange(0, 4).Draw(rt, "sync in 5") == 0 {
				must(t, d.Sync())
				settle()
				continue
			}
			off := rapid.IntRange(0, room-1).Draw(rt, "off")
			n := rapid.IntRange(1, room-off).Draw(rt, "n")
			p := bytes.Repeat([]byte{byte(i + 1)}, n)
			_, err := d.WriteAt(p, int64(off))
			must(t, err)
			for j := range n {
				possible[off+j][p[j]] = true
			}
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		after := disk.Crash(rand.New(rand.NewPCG(seed, 0)))
		image := after.Image()
		if len(image) != room {
			rt.Fatalf("%d bytes after the crash", len(image))
		}
		for i, b := range image {
			if !possible[i][b] {
				rt.Fatalf("byte %d is %d, possible are %v", i, b, possible[i])
			}
		}
		if again := after.Crash(rand.New(rand.NewPCG(seed, 1))).Image(); !bytes.Equal(again, image) {
			rt.Fatal("a second crash changed what the first had left")
		}
	})
}
