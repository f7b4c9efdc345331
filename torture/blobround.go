package torture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hydrant/clone"
	"hydrant/internal/s3test"
)

// runBlob is a round for the engine alone: no database, but bytes.
func (r *round) runBlob(ctx context.Context) error {
	if err := r.serve(); err != nil {
		return err
	}
	defer func() { _ = r.server.Close() }()
	defer r.killAll()
	r.blob = newBlobShape(r.Seed)
	r.server.PutReaderAt("shop", "blob", r.blob.content(), r.blob.Size, "blob-as-it-is")
	r.url = r.server.Source("shop", "blob")
	r.drawFaults()
	r.note("blob %+v", r.blob)
	for n := 2 + r.r.IntN(3); n > 0 && r.failure() == nil && ctx.Err() == nil; n-- {
		r.life(ctx)
		r.Report.Add(Lives, 1)
		if r.failure() == nil && r.r.IntN(3) == 0 {
			r.compareBlob(false)
		}
	}
	if r.failure() == nil {
		r.finishBlob()
	}
	r.Report.Add(BlobWrites, r.acks.Total())
	return r.failure()
}

// rouseBlob starts writers.
func (r *round) rouseBlob() {
	for _, owner := range r.r.Perm(Owners)[:1+r.r.IntN(Owners)] {
		r.start(r.blobSpec(RoleBlob, owner), r.wrap())
	}
}

func (r *round) blobSpec(role string, owner int) Spec {
	s := r.spec(role)
	on := !r.slow && r.r.IntN(3) > 0
	s.Owner, s.Low, s.Blob, s.Hydration = owner, r.acks.Last(), r.blob, &on
	s.Bandwidth = pick(r.r, int64(0), 100_000, 1_000_000)
	s.Timeout = 10 * time.Second
	if r.mending {
		s.Timeout = 2 * time.Second
	}
	s.Image = filepath.Join(r.dir, "image")
	return s
}

// compareBlob has a child read everything, and holds that against what was acknowledged.
func (r *round) compareBlob(finish bool) {
	s := r.blobSpec(RoleBlobRead, 0)
	s.Finish = finish
	if finish {
		s.Bandwidth = 0
	}
	if status, err := clone.Inspect(r.path); err == nil && status.Mode != "rw" {
		r.spoiled = true
	}
	r.alone(s)
	if r.failure() != nil {
		return
	}
	r.judgeImage(s.Image)
}

// judgeImage compares an image with the source and all acknowledged changes. What was under way when
// its writer was killed may be there, byte by byte.
func (r *round) judgeImage(path string) {
	got, err := os.ReadFile(path)
	if err != nil {
		r.fail("%w", err)
		return
	}
	want := r.blob.content().Bytes(r.blob.Size)
	cells := r.blob.cells()
	last := r.acks.Last()
	for owner, n := range last {
		own := mine(cells, owner)
		for seq := range n {
			r.blob.apply(want, r.blob.change(own, owner, seq+1))
		}
	}
	maybe := bytes.Clone(want)
	for owner, n := range last {
		r.blob.apply(maybe, r.blob.change(mine(cells, owner), owner, n+1))
	}
	r.Report.Add(BytesCompared, int64(len(got)))
	if len(got) != len(want) {
		r.fail("%s has %d bytes, want %d", path, len(got), len(want))
		return
	}
	for i, b := range got {
		if b != want[i] && b != maybe[i] && !(r.spoiled && r.earlier(got, cells, int64(i))) {
			r.fail("%s: byte %d is %#x, want %#x%s", path, i, b, want[i], r.whose(cells, int64(i)))
			return
		}
	}
}

// earlier tells whether the word at off is what was there at some time: what a failed sync has made
// uncertain is given up.
func (r *round) earlier(got []byte, cells []cell, off int64) bool {
	at := off / 8 * 8
	if at+8 > int64(len(got)) {
		return true
	}
	w := binary.LittleEndian.Uint64(got[at:])
	if w == 0 || w == binary.LittleEndian.Uint64(r.blob.content().Range(at, 8)) {
		return true
	}
	for _, c := range cells {
		if at >= c.off && at < c.off+c.n {
			seq := int64(w >> 24 & 0xffffff)
			return w == stamp(c.index, seq, at) && seq <= r.acks.Last()[c.owner]+1
		}
	}
	return false
}

// whose says which cell an offset lies in.
func (r *round) whose(cells []cell, off int64) string {
	for _, c := range cells {
		if off >= c.off && off < c.off+c.n {
			return fmt.Sprintf(" (cell %+v, region %d)", c, off/r.blob.Region)
		}
	}
	return ""
}

func (r *round) finishBlob() {
	r.server.ClearFaults()
	r.server.SetNetwork(s3test.Network{})
	status, err := clone.Inspect(r.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.fail("inspect: %w", err)
		return
	}
	if err == nil && status.Mode != "rw" {
		r.Report.Add(Spoiled, 1)
		r.compareBlob(false)
		return
	}
	r.compareBlob(true)
	if r.failure() != nil {
		return
	}
	if _, err := os.Lstat(r.path + "-hydrant"); err == nil {
		r.fail("the state file is left")
	}
	r.judgeImage(r.path)
	r.Report.Add(Completed, 1)
}
