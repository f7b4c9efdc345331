//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	bin "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hydrant/clone"
)

// A sector is 512 bytes that bear its number and the version that wrote it; 0 is the source's.
const (
	sectorSize = 512
	perRegion  = 8 // sectors
	blobSize   = 40 << 20

	mostSectors = blobSize / sectorSize * 5 / 4 // that it ever has
)

// stamped are the sectors from a to b in some version.
func stamped(a, b int, version uint64) []byte {
	p := make([]byte, 0, (b-a)*sectorSize)
	for s := a; s < b; s++ {
		for i := range sectorSize / 16 {
			p = bin.LittleEndian.AppendUint64(p, uint64(s)<<32|uint64(i)<<24|0xabcdef)
			p = bin.LittleEndian.AppendUint64(p, version)
		}
	}
	return p
}

// stamps writes to the blob at PATH, and says each thing before it does it, and each Sync after.
//
//	stamps PATH SOURCE SEED VERSION
func stamps(args []string) error {
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	version, err := strconv.ParseUint(args[3], 10, 64)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, version))
	ctx := context.Background()
	bandwidth := int64(2 << 20)
	c, err := openEngine(args[0], &clone.Options{Knobs: clone.Knobs{Bandwidth: &bandwidth}})
	if err != nil {
		return err
	}
	hot := r.IntN(mostSectors/2 - 2000) // some are written again and again
	for {
		version++
		size, err := c.Size()
		if err != nil {
			return err
		}
		sectors := int(size / sectorSize)
		a := r.IntN(sectors)
		if r.IntN(4) > 0 {
			a = hot + r.IntN(400)
		}
		b := min(sectors, a+1+r.IntN(3*perRegion))
		switch n := r.IntN(20); {
		case n < 1:
			a = mostSectors/2 + r.IntN(mostSectors/2)
			if r.IntN(2) == 0 {
				a = a / perRegion * perRegion
			}
			fmt.Printf("t %d %d %d\n", a, a, version)
			err = c.Truncate(ctx, int64(a)*sectorSize)
		case n < 2: // past the end
			a = min(mostSectors-1, sectors+r.IntN(100))
			b = min(mostSectors, a+1+r.IntN(3*perRegion))
			fmt.Printf("w %d %d %d\n", a, b, version)
			_, err = c.WriteAt(ctx, stamped(a, b, version), int64(a)*sectorSize)
		case n < 14:
			if r.IntN(2) == 0 { // whole regions
				a, b = a/perRegion*perRegion, min(sectors, (b+perRegion-1)/perRegion*perRegion)
			}
			fmt.Printf("w %d %d %d\n", a, b, version)
			_, err = c.WriteAt(ctx, stamped(a, b, version), int64(a)*sectorSize)
		case n < 15:
			a, b = a/perRegion*perRegion, min(sectors, (b+perRegion-1)/perRegion*perRegion)
			fmt.Printf("d %d %d %d\n", a, b, version)
			err = c.Discard(ctx, int64(a)*sectorSize, int64(b-a)*sectorSize)
		case n < 17:
			p := make([]byte, (b-a)*sectorSize)
			_, err = c.ReadAt(ctx, p, int64(a)*sectorSize)
		default:
			if err = c.Sync(ctx); err == nil {
				fmt.Println("s 0 0 0")
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err // the power is gone
		}
	}
}

// history is what a sector may hold: what it held when all was known, and what was issued since.
type history struct {
	sectors [][]int64
	size    int // how many there are, if all that was issued is done
	issued  []operation
}

// operation is one that was issued since the last time that all was known.
type operation struct {
	line string
	a, b int // what it touches, or may
}

// What a sector may hold beside a version.
const (
	zeros  = -1
	absent = -2 // the file ends before it
)

// newHistory is that of the source.
func newHistory() *history {
	h := &history{sectors: make([][]int64, mostSectors), size: blobSize / sectorSize}
	for s := range h.sectors {
		h.sectors[s] = []int64{0}
		if s >= h.size {
			h.sectors[s][0] = absent
		}
	}
	return h
}

// may notes that the sectors from a to b may hold something else now.
func (h *history) may(a, b int, what int64) {
	for s := a; s < b; s++ {
		h.sectors[s] = append(h.sectors[s][:len(h.sectors[s]):len(h.sectors[s])], what)
	}
}

func (h *history) note(line string) (version uint64) {
	var what string
	var a, b int
	var v int64
	if _, err := fmt.Sscanf(line, "%s %d %d %d", &what, &a, &b, &v); err != nil {
		return 0
	}
	h.issued = append(h.issued, operation{line, min(a, h.size), map[string]int{"t": mostSectors, "s": mostSectors}[what] + b})
	h.may(h.size, a, zeros) // what it grows by
	switch what {
	case "s":
		for s := range h.sectors {
			h.sectors[s] = h.sectors[s][len(h.sectors[s])-1:]
		}
		return 0
	case "t":
		h.may(a, h.size, absent)
		h.size = a
	case "d":
		h.may(a, b, zeros)
	case "w":
		h.may(a, b, v)
		h.size = max(h.size, b)
	}
	return uint64(v)
}

// found checks what all sectors hold, and makes that what is known.
func (h *history) found(t *testing.T, p []byte) {
	t.Helper()
	bad := 0
	h.size = len(p) / sectorSize
	if len(p)%sectorSize != 0 {
		t.Errorf("it is %d bytes long, which it never was", len(p))
	}
	for s, may := range h.sectors {
		is := p[min(len(p), s*sectorSize):min(len(p), (s+1)*sectorSize)]
		at := -1
		for i, v := range may {
			var want []byte
			switch v {
			case absent:
			case zeros:
				want = make([]byte, sectorSize)
			default:
				want = stamped(s, s+1, uint64(v))
			}
			if bytes.Equal(is, want) {
				at = i
			}
		}
		if at < 0 {
			if bad++; bad < 10 {
				t.Errorf("sector %d holds %x…, not one of the versions %v", s, is[:min(16, len(is))], may)
				if bad == 1 {
					h.tell(t, s)
				}
			}
			continue
		}
		h.sectors[s] = []int64{may[at]}
	}
	if bad > 0 {
		t.Fatalf("%d sectors are wrong", bad)
	}
	h.issued = nil
}

// tell logs the last of what was done to a sector.
func (h *history) tell(t *testing.T, sector int) {
	t.Helper()
	var lines []string
	for _, o := range h.issued {
		if o.a <= sector && sector < o.b {
			lines = append(lines, o.line)
		}
	}
	t.Logf("done to it, first and end of what is touched, and the version:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
}

// The engine alone loses power: what was synced is there, what was not may be there, and nothing else
// is. HYDRANT_POWER_ROUNDS says how often in one life, HYDRANT_POWER_SEED what happens.
func TestPowerLossOfABlob(t *testing.T) {
	rounds := 6
	if n, err := strconv.Atoi(os.Getenv("HYDRANT_POWER_ROUNDS")); err == nil {
		rounds = n
	}
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("HYDRANT_POWER_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Parallel()
	t.Logf("again: HYDRANT_POWER_SEED=%d HYDRANT_POWER_ROUNDS=%d go test -tags e2e -count=1 -run %s ./e2e", seed, rounds, t.Name())
	r := rand.New(rand.NewPCG(seed, 7))
	v := newVolume(t, "ext4", "256")
	source, dst := filepath.Join(t.TempDir(), "source"), filepath.Join(v.dir, "blob")
	if err := os.WriteFile(source, stamped(0, blobSize/sectorSize, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	hydrant(t, "clone", "--no-hydrate", source, dst)
	h := newHistory()
	version := uint64(1)
again:
	for round := range rounds {
		cmd := childCommand("stamps", dst, source, fmt.Sprint(seed), fmt.Sprint(version))
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		begun, lines, done := make(chan struct{}), 0, make(chan struct{})
		var lost atomic.Bool
		go func() {
			defer close(done)
			for in := bufio.NewScanner(out); in.Scan(); lines++ {
				if lines == 0 {
					close(begun)
				}
				// A sync that the kernel is at while the file system is shut down may succeed and be
				// lost, with plain files too.
				if line := in.Text(); !lost.Load() || !strings.HasPrefix(line, "s") {
					version = max(version, h.note(line))
				}
			}
		}()
		select {
		case <-begun:
		case <-done:
			_ = cmd.Wait()
			if strings.Contains(said.String(), clone.ErrPlain.Error()) {
				break again // it has come to its end
			}
			t.Fatalf("round %d: the child has ended: %s", round, said.String())
		case <-time.After(time.Minute):
			t.Error("no write in a minute")
		}
		time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
		lost.Store(true)
		v.losePower(t)
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
		twin := v.comeBackTwice(t)
		t.Logf("round %d: %d operations, up to version %d", round, lines, version)
		h.found(t, allOf(t, filepath.Join(twin, "blob")))
		runScript(t, `umount -d "$1"`, twin)
		if _, err := os.Stat(dst + "-hydrant"); err != nil {
			break
		}
	}
	if _, err := os.Stat(dst + "-hydrant"); err == nil {
		hydrant(t, "hydrate", dst)
	}
	h.found(t, readFile(t, dst))
}

// allOf is what a clone reads as. Reading it brings it here.
func allOf(t *testing.T, path string) []byte {
	t.Helper()
	if _, err := os.Stat(path + "-hydrant"); err != nil {
		return readFile(t, path)
	}
	off := false
	c, err := openEngine(path, &clone.Options{NoBackground: true, Knobs: clone.Knobs{Hydration: &off}})
	if errors.Is(err, clone.ErrPlain) {
		return readFile(t, path) // it was complete
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := c.Status()
	t.Logf("of %d regions %d are here, %d written", s.RegionsTotal, s.RegionsHydrated, s.RegionsWritten)
	p := make([]byte, s.Size)
	if _, err := c.ReadAt(t.Context(), p, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return p
}
