package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/s3test"
	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
)

// stranger opens the file by SQLite's own VFS, while others use the clone or nobody does. For as
// long as the guard stands it has to be refused.
func (r *round) stranger() {
	before, err := r.guarded()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.fail("stranger: %w", err)
		return
	}
	db, err := shopdb.OpenPlain(r.path)
	if err != nil {
		r.fail("stranger: %w", err)
		return
	}
	var n int
	err = db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n)
	_ = db.Close()
	after, aerr := r.guarded()
	switch {
	case errors.Is(aerr, fs.ErrNotExist):
	case aerr != nil:
		r.fail("stranger: %w", aerr)
	case after && code(err) != notADB && !isBusy(code(err)): // somebody may hold SQLite's own lock just now
		r.fail("a stranger opened an incomplete clone and was told: %w", err)
	case !before && r.blob.Size == 0 && code(err) == notADB:
		r.fail("a stranger opened a complete clone and was told: %w", err)
	}
	if after {
		r.Report.Add(Strangers, 1)
		r.sideFiles()
	}
}

// sideFiles looks for what a stranger would play back into a clone that is not whole.
func (r *round) sideFiles() {
	if s, err := r.phase(); err != nil || s >= state.Completing {
		return // with all of it here, a side file under its public name is right
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		b, err := os.ReadFile(r.path + suffix)
		if err != nil || len(b) == 0 || suffix == "-journal" && bytes.HasPrefix(b, make([]byte, 8)) {
			continue
		}
		if still, _ := r.guarded(); still {
			r.fail("%s lies beside an incomplete clone, %d bytes", r.path+suffix, len(b))
		}
	}
}

// phase is the clone's.
func (r *round) phase() (state.Phase, error) {
	f, err := state.PathStore(r.path, 0).OpenReadOnly()
	if err != nil {
		return 0, err
	}
	sb, err := state.ReadSuperblock(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return sb.Phase, nil
}

// notADB is SQLITE_NOTADB.
const notADB = 26

// guarded tells whether the guard stands.
func (r *round) guarded() (bool, error) {
	f, err := os.Open(r.path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	front := make([]byte, state.FirstBytes)
	if _, err = io.ReadFull(f, front); errors.Is(err, io.EOF) {
		return false, fs.ErrNotExist // it is being made
	}
	return state.IsGuard(front), err
}

// finish brings the clone to its end and compares what is left with the source and the oracle.
func (r *round) finish(ctx context.Context) {
	r.server.ClearFaults()
	r.server.SetNetwork(s3test.Network{})
	if status, err := clone.Inspect(r.path); err == nil && status.Mode != "rw" {
		r.Report.Add(Spoiled, 1)
		r.note("mode %s: %s", status.Mode, status.Error)
		r.check(RoleCheck)
		return
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.fail("inspect: %w", err)
		return
	}
	on, zero, none, timeout := true, int64(0), 0, 10*time.Second
	r.tune(clone.Knobs{Hydration: &on, Bandwidth: &zero, Connections: &none, Timeout: &timeout})
	written, err := r.complete()
	if err != nil {
		r.fail("finish: %w", err)
	}
	if r.failure() != nil {
		return
	}
	r.compare(written)
	dsn := sqlitevfs.DSN(r.path, "", &sqlitevfs.Params{VFS: "unix"})
	low := r.acks.Last()
	rows, _, err := Oracle{r.shape, filepath.Join(r.dir, "oracle.db")}.Check(ctx, dsn, nil, low, low)
	if err != nil {
		r.fail("as a plain file: %w", err)
	}
	r.Report.Add(RowsChecked, rows)
	r.Report.Add(Completed, 1)
}

// complete has a child finish the clone, and returns what was written before it was completed; nil
// when it was complete before.
func (r *round) complete() (written func(off int64) bool, err error) {
	ready := make(chan struct{}, 1)
	s := r.spec(RoleFinish)
	s.DSN = sqlitevfs.DSN(r.path, r.url, &sqlitevfs.Params{More: map[string]string{"_busy_timeout": "10000"}})
	s.Low, s.High = r.acks.Bounds()
	p, err := Start(Launch{Spec: s, Env: r.env, Stderr: r.log, Hear: func(p *Process, e Event) {
		r.hear(p, e)
		if e.What == SaidReady {
			ready <- struct{}{}
		}
	}})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.live = append(r.live, p)
	r.mu.Unlock()
	for len(r.living()) > 0 && r.failure() == nil {
		select {
		case <-ready:
			if written, err = WrittenMap(r.path); err != nil {
				r.fail("state file: %w", err)
			}
			p.Tell("go")
		case <-time.After(2 * time.Millisecond):
			r.reap()
		}
	}
	return written, nil
}

// WrittenMap copies the map of what was written to the clone at path; nil when it is none any more.
func WrittenMap(path string) (written func(off int64) bool, err error) {
	f, err := state.PathStore(path, 0).OpenReadOnly()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := state.Look(f)
	if err == nil {
		err = st.CopyMaps()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	size := st.Super.RegionSize
	bits := make([]bool, st.Layout.Regions)
	for i := range bits {
		bits[i] = st.Maps[state.Written].Test(uint64(i))
	}
	return func(off int64) bool { return off/size < int64(len(bits)) && bits[off/size] }, f.Close()
}

// compare demands that nothing of the clone's is left beside the file, and that what was never
// written is the source's.
func (r *round) compare(written func(off int64) bool) {
	for _, suffix := range []string{"-hydrant", "-hydrant-wal", "-hydrant-journal", "-wal"} {
		if _, err := os.Lstat(r.path + suffix); err == nil {
			r.fail("%s is left", r.path+suffix)
		}
	}
	if written == nil {
		return
	}
	n, err := Unwritten(r.path, filepath.Join(r.dir, "source.db"), r.shape.PageSize, written)
	if err != nil {
		r.fail("%w", err)
	}
	r.Report.Add(BytesCompared, n)
}

// Unwritten demands that what was never written of the file at path is the source's, and says how
// many bytes those are.
func Unwritten(path, source string, page int, written func(off int64) bool) (compared int64, err error) {
	got, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	want, err := os.ReadFile(source)
	if err != nil {
		return 0, err
	}
	for off := 0; off < min(len(got), len(want)); off += page {
		if written(int64(off)) {
			continue
		}
		n := min(page, len(got)-off, len(want)-off)
		if !bytes.Equal(got[off:off+n], want[off:off+n]) {
			return compared, fmt.Errorf("the page at %d was never written, and is not the source's", off)
		}
		compared += int64(n)
	}
	return compared, nil
}
