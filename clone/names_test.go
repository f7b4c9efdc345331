package clone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hydrant/clone/state"
	"hydrant/source/sourcetest"
)

// cutShort are companions of which those who rename them are killed at once.
type cutShort struct{ pathCompanions }

var errCutShort = errors.New("killed, so to say")

func (p cutShort) Publish() error {
	if err := p.pathCompanions.Publish(); err != nil {
		return err
	}
	return errCutShort
}

// Who completes a clone is killed when the WAL has its public name and the guard still stands. The
// others, who write to that WAL, are told of one name only: with two, there would be two WALs.
func TestNamesOfSideFilesWhenTheirRenamerIsKilled(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	o := newOracle(1<<20, 1)
	f := &family{t: t, path: filepath.Join(t.TempDir(), "app.db"), src: sourcetest.NewVirtual(o.blob, o.size)}
	quiet(&f.opts)
	keep(&f.opts)
	f.opts.Quiesce = func(context.Context, func() error) error { return errors.New("somebody is in a transaction") }
	ctx := context.Background()
	dying, other := f.open(), f.open()
	if err := os.WriteFile(PrivateName(f.path, "-wal"), []byte("frames"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := dying.Hydrate(ctx, 0, o.size); err != nil {
		t.Fatal(err)
	}
	dying.comp = cutShort{dying.comp.(pathCompanions)}
	if err := dying.tryComplete(ctx, false); !errors.Is(err, errCutShort) {
		t.Fatal(err)
	}
	kill(dying)
	if other.phase() != state.Completing {
		t.Fatalf("phase %v: the test shows nothing", other.phase())
	}
	for range 2 {
		err := other.Companions(func(private bool) error {
			name := f.path + "-wal"
			if private {
				name = PrivateName(f.path, "-wal")
			}
			if got, err := os.ReadFile(name); err != nil || string(got) != "frames" {
				t.Errorf("private %v: %q, %v", private, got, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := o.final(f.path); err != nil {
		t.Error(err)
	}
}
