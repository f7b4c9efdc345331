package state

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hydrant/source"
)

// part is one row of a table in DESIGN.md: a field, where it lies, and what it is.
type part struct {
	off, size int
	name      string
	what      string
}

func (p part) String() string {
	row := fmt.Sprintf("| %d | %d | `%s`", p.off, p.size, p.name)
	if p.what != "" {
		row += ": " + p.what
	}
	return row + " |"
}

// formats are the tables, by the heading that each stands under.
func formats() map[string][]part {
	header, posting := reflect.TypeFor[Header](), reflect.TypeFor[Posting]()
	says := map[string]string{
		"Format": "the version, set last when the volatile part is made ready", "Mode": "0 rw, 1 ro, 2 failed",
		"Phase": "1 creating, 2 live, 3 completing, 4 complete", "First": "dest's first bytes, while the guard stands for them on disk",
		"Marks": "counts changes to written, dirty and first", "Synced": "what marks was at the last commit",
		"LogGen": "generation of the base image in force", "LogSeq": "records in the log",
		"KnobGen": "counts changes to the knobs", "Hydration": "1 on, 0 off", "Bandwidth": "bytes per second, 0 no cap",
		"Connections": "0 adapts", "Batch": "bytes", "Timeout": "nanoseconds",
		"Activity": "0 hydrating, 1 paused, 2 stalled", "HydPID": "process that hydrates", "HydBeat": "its last heartbeat, nanoseconds since 1970",
		"Rate": "bytes per second", "Fetched": "bytes taken from the source", "Requests": "sent to it",
		"Refetched": "bytes asked for twice on purpose", "Hold": "1: not to be detached but by Detach",
		"Judged":    "counts those who, alone, began to decide what of the clone counts",
		"Resets":    "counts how often the maps that were there ceased to count",
		"LostLocal": "regions that the mode being ro made cold again", "LostWritten": "regions of which it lost what was written",
		"Posts":  "what is being fetched: 128 postings",
		"ErrSeq": "odd while the error changes", "ErrLen": "bytes", "Err": "the last error, UTF-8",
	}
	var words []part
	for i := range header.NumField() {
		f := header.Field(i)
		words = append(words, part{int(f.Offset), int(f.Type.Size()), f.Name, says[f.Name]})
	}
	return map[string][]part{
		"Superblock": {
			{sbMagic, len(SuperMagic), "magic", "`" + SuperMagic + "`"},
			{sbVers, 4, "version", fmt.Sprint(Version)},
			{sbCRC, 4, "checksum", "CRC-32C of the block, with zeros here"},
			{sbSeq, 8, "sequence", "the valid superblock with the higher one counts; the next goes to slot sequence mod 2"},
			{sbUUID, 16, "uuid", ""},
			{sbSize, 8, "size", "of the source, bytes"},
			{sbReg, 4, "region size", "bytes, a power of two"},
			{sbPhase, 4, "phase", "1 creating, 2 live, 3 completing, 4 complete"},
			{sbFlags, 4, "flags", "1 closed cleanly, 2 kept when complete, 4 damaged on the way from the source"},
			{sbTime, 8, "created", "nanoseconds since 1970"},
			{sbFirst, FirstBytes, "first", "the source's own first bytes"},
			{sbStamp, 16, "boot", "the kernel's boot id when the volatile part was last in use"},
			{sbStamp + 16, 32, "dest", "then: unique mount id, device, inode, birth time, 8 bytes each"},
			{sbStamp + 48, 32, "state", "the same of the state file"},
			{sbURLn, 2, "url length", ""},
			{sbTagn, 2, "tag length", ""},
			{sbPair, 4, "pair", "what the last four bytes of the guard differ by from bytes 4 to 8 of the uuid"},
			{sbNext, 4, "next pair", "the other number that they may differ by, while they are changed"},
			{sbCut, 8, "cut", "by how much dest may be shorter than size, bytes"},
			{sbURL, source.MaxURL, "url", "of the source, without secrets"},
			{sbTag, source.MaxTag, "tag", "of the source's identity"},
			{sbAdopt, FirstBytes, "adopts", "the guard of the clone that this one was copied from, until dest bears its own"},
		},
		"Volatile header": words,
		"Posting": {
			{int(posting.Field(0).Offset), 8, "Owner", "who fetches, 0 for a free slot; bit 0 is set when somebody waits for it"},
			{int(posting.Field(1).Offset), 8, "Next", "the first region that is not there yet"},
			{int(posting.Field(2).Offset), 8, "End", "the first region behind the range"},
			{int(posting.Field(3).Offset), 8, "Beat", "when the owner last said so, nanoseconds since 1970"},
		},
		"Base image header": {
			{biMagic, len(imageMagic), "magic", "`" + imageMagic + "`"},
			{biVers, 4, "version", fmt.Sprint(Version)},
			{biCRC, 4, "checksum", fmt.Sprintf("CRC-32C of bytes 0 to %d, with zeros here", biEnd)},
			{biGen, 8, "generation", "the valid image with the higher one counts; the next goes to slot generation mod 2"},
			{biUUID, 16, "uuid", ""},
			{biWords, 8, "words", "of 64 bits in each of the three maps, which follow at 4096: hydrated, written, dirty"},
			{biSum, 4, "maps checksum", "CRC-32C of the maps"},
			{biFirst, FirstBytes, "first", "dest's first bytes, as Header.First"},
		},
		"Log record": {
			{recCRC, 4, "checksum", "CRC-32C of uuid, generation, the record's place in the log (8 bytes each but the uuid), and the record from 4 on"},
			{recLen, 4, "length", "of the record, bytes, a multiple of 8"},
			{recSeq, 8, "sequence", "from 0 in each generation"},
			{recDelta, 4 * int(NumMaps), "delta lengths", "of the three maps, 4 bytes each"},
			{recFirst, FirstBytes, "first", "dest's first bytes"},
		},
	}
}

func table(parts []part) string {
	s := "| offset | size | field |\n|---|---|---|\n"
	for _, p := range parts {
		s += p.String() + "\n"
	}
	return s
}

// The tables in DESIGN.md under "State file" are what other people's programs are written from.
func TestFormatIsWhatIsWrittenDown(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "DESIGN.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no DESIGN.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(doc), "\n## State file\n")
	if !ok {
		t.Fatal(`DESIGN.md has no section "State file"`)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	row := regexp.MustCompile("^\\| (\\d+) \\| (\\d+) \\| `([^`]+)`.*\\|$")
	for name, want := range formats() {
		_, text, ok := strings.Cut(section, "\n### "+name+"\n")
		if !ok {
			t.Errorf("no heading %q; it is to stand over\n%s", name, table(want))
			continue
		}
		text, _, _ = strings.Cut(text, "\n### ")
		var got []part
		for line := range strings.Lines(text) {
			if m := row.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				off, _ := strconv.Atoi(m[1])
				size, _ := strconv.Atoi(m[2])
				got = append(got, part{off: off, size: size, name: m[3]})
			}
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i].off != want[i].off || got[i].size != want[i].size || got[i].name != want[i].name {
				t.Errorf("%s differs in row %d; it is\n%s", name, i+1, table(want))
				break
			}
		}
	}
}

func TestFormatPartsDoNotOverlap(t *testing.T) {
	for name, parts := range formats() {
		end := 0
		for _, p := range parts {
			if p.off < end {
				t.Errorf("%s: %s at %d begins before %d", name, p.name, p.off, end)
			}
			end = p.off + p.size
		}
	}
}

// golden is a state file of format 1 with everything in it: two superblocks, an image of generation
// 1 and a log. It changes never: a newer version has to read it, or say that it is too old.
func golden(t testing.TB) []byte {
	t.Helper()
	sb := someSuperblock()
	sb.UUID = testUUID
	s := &MemoryStore{}
	if err := s.Create(func(f File) error { return Format(f, sb) }); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	lay, err := NewLayout(sb.Size, sb.RegionSize)
	if err != nil {
		t.Fatal(err)
	}
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 0, 1), 'S')
	if err := d.rebase(d.newsOf(snap(lay, 0, 1, 2)), [FirstBytes]byte{'T'}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, d, snap(lay, 4, -5), 'U')
	mustAppend(t, d, snap(lay, 9), 'V')
	sb.Phase = Completing
	if err := WriteSuperblock(f, sb); err != nil {
		t.Fatal(err)
	}
	return s.Image()
}

func TestGoldenFile(t *testing.T) {
	const path = "testdata/format1.gz"
	want := golden(t)
	packed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("UPDATE_GOLDEN") != "" {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		z.Write(want)
		z.Close()
		os.MkdirAll(filepath.Dir(path), 0o755)
		err = os.WriteFile(path, b.Bytes(), 0o644)
		packed = b.Bytes()
	}
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	img, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(img, want) {
		for i := range min(len(img), len(want)) {
			if img[i] != want[i] {
				t.Fatalf("what is written today differs from the golden file at byte %d: %#x, was %#x", i, want[i], img[i])
			}
		}
		t.Fatalf("what is written today has %d bytes, the golden file %d", len(want), len(img))
	}

	var s MemoryStore
	s.SetImage(img)
	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	st, err := Load(f)
	if err != nil {
		t.Fatal(err)
	}
	sb := someSuperblock()
	sb.UUID, sb.Phase, sb.Seq = testUUID, Completing, st.Super.Seq
	if !reflect.DeepEqual(st.Super, sb) {
		t.Errorf("superblock %+v, want %+v", st.Super, sb)
	}
	expectMaps(t, openDurable(t, f, st.Layout), snap(st.Layout, 0, 1, 2, 4, -5, 9), 'V')
}
