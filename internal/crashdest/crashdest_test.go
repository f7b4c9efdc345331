package crashdest_test

import (
	"bytes"
	"errors"
	"io/fs"
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
	must(t, disk.Create(func(dest.Dest) error { return nil }))
	d, err := disk.Open()
	must(t, err)
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

// TestEachSubset checks that the caller's choices reach every subset of what was not synced, that a
// synced write is in all of them, and that only the one under way is torn.
func TestEachSubset(t *testing.T) {
	disk, d := create(t)
	must(t, d.Truncate(1024))
	must(t, d.Sync())
	subsets := func(disk *crashdest.Disk, outcomes int) map[string]int {
		seen := map[string]int{}
		for way := range outcomes {
			image := disk.CrashAs(func(n int) int { c := way % n; way /= n; return c }, false).Image()
			seen[string([]byte{image[0], image[511], image[512], image[1023]})]++
		}
		return seen
	}
	var within *crashdest.Disk
	disk.Moment = func() { within = disk.CrashKeepAll() }
	write(t, d, strings.Repeat("a", 1024), 0)
	if seen := subsets(within, 4); len(seen) != 4 || seen["aa\x00\x00"] != 1 || seen["\x00\x00aa"] != 1 {
		t.Errorf("within a write: %v", seen)
	}
	write(t, d, "b", 511)
	if seen := subsets(disk, 4); len(seen) != 4 || seen["abaa"] != 1 || seen["\x00b\x00\x00"] != 1 {
		t.Errorf("after two writes: %v", seen)
	}
	must(t, d.(interface{ WriteSync([]byte, int64) error }).WriteSync([]byte("c"), 512))
	if seen := subsets(disk, 4); len(seen) != 4 || seen["abca"] != 1 || seen["\x00\x00c\x00"] != 1 {
		t.Errorf("after a synced write: %v", seen)
	}
	must(t, d.Sync())
	if seen := subsets(within, 4); len(seen) != 4 {
		t.Errorf("within a sync: %v", seen)
	}
	if seen := subsets(disk, 1); seen["abca"] != 1 {
		t.Errorf("after a sync: %v", seen)
	}
	half := within.KillAs(func(int) int { return 0 }).Image()
	if string(half[:1]) != "a" {
		t.Error("killing undid what was written")
	}
}

// TestCreationMayVanish checks that a name whose creation was under way is there or not, until
// somebody has found it there.
func TestCreationMayVanish(t *testing.T) {
	disk := new(crashdest.Disk)
	var within *crashdest.Disk
	disk.Moment = func() { within = disk.CrashKeepAll() }
	none := func(dest.Dest) error { return nil }
	must(t, disk.Create(none))
	for way := range 2 {
		_, err := within.CrashAs(func(int) int { return way }, false).Open()
		if (err == nil) != (way == 1) {
			t.Errorf("way %d: %v", way, err)
		}
	}
	never := func(int) int { return 0 }
	if _, err := disk.CrashAs(never, false).Open(); err != nil {
		t.Error(err)
	}
	if err := within.Create(none); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if _, err := within.CrashAs(never, false).Open(); err != nil {
		t.Error(err)
	}
}

// TestWhatHasNoNameIsNotThere checks that nothing is left of a destination whose making was cut off,
// and that what its maker has not synced may be lost when it has its name.
func TestWhatHasNoNameIsNotThere(t *testing.T) {
	disk := new(crashdest.Disk)
	none, moments := true, 0
	disk.Moment = func() {
		moments++
		for way := range 2 {
			choose := func(int) int { return way }
			for _, left := range []*crashdest.Disk{disk.CrashAs(choose, true), disk.KillAs(choose), disk.CrashKeepAll()} {
				if _, err := left.Open(); none && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("moment %d: %v", moments, err)
				}
			}
		}
	}
	cut := errors.New("cut off")
	fill := func(d dest.Dest) error {
		write(t, d, "synced", 0)
		must(t, d.Sync())
		write(t, d, "not", 6)
		return cut
	}
	if err := disk.Create(fill); !errors.Is(err, cut) {
		t.Error(err)
	}
	if _, err := disk.Open(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	cut, none = nil, false
	must(t, disk.Create(fill))
	if seen := outcomes(disk); moments != 7 || seen["synced"] == 0 || seen["syncednot"] == 0 || seen[""] > 0 {
		t.Errorf("%d moments, images %v", moments, seen)
	}
}
