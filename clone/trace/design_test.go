package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table in DESIGN.md is what other people's programs are written from.
func TestFormIsWhatIsWrittenDown(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "DESIGN.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no DESIGN.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	want := "\n### Trace\n\n| offset | size | field |\n|---|---|---|\n"
	for _, f := range []struct {
		off, size int
		says      string
	}{
		{offMagic, len(Magic), "`magic`: `" + Magic + "`"},
		{offVers, 4, fmt.Sprintf("`version`: %d", Version)},
		{offSum, 4, "`checksum`: CRC-32C of the whole, with zeros here"},
		{offLen, 4, fmt.Sprintf("`length`: of the whole, bytes, at most %d", MaxEncoded)},
		{offCount, 4, "`count`: of ranges"},
		{offSize, 8, "`size`: of the blob when it was recorded, bytes, 0 for not known"},
		{offRuns, 4, fmt.Sprintf("`runs`: how many it was made from, 1 to %d", MaxRuns)},
	} {
		want += fmt.Sprintf("| %d | %d | %s |\n", f.off, f.size, f.says)
	}
	want += fmt.Sprintf("\nFrom byte %d on", HeaderSize)
	if !strings.Contains(string(doc), want) {
		t.Errorf("DESIGN.md is to have\n%s", want)
	}
}
