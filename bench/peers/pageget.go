//go:build vfs

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/psanford/httpreadat"
	"github.com/psanford/sqlite3vfs"
)

// pageGet is a VFS in which every page that SQLite reads is a ranged GET: what sqlite3vfshttp is,
// from the same author's two parts (that module itself is not on the proxy).
type pageGet struct{ r *httpreadat.RangeReader }

func registerPageGet(_ context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	to := u.Query().Get("endpoint") + "/" + u.Host + u.Path
	r := httpreadat.New(to, httpreadat.WithRoundTripper(&signed{region: u.Query().Get("region")}))
	return sqlite3vfs.RegisterVFS("peer", pageGet{r})
}

// signed signs requests for S3.
type signed struct{ region string }

func (s *signed) RoundTrip(r *http.Request) (*http.Response, error) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	r.Header.Set("X-Amz-Content-Sha256", empty)
	who := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	if err := v4.NewSigner().SignHTTP(r.Context(), who, r, empty, "s3", s.region, time.Now()); err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (v pageGet) Open(name string, flags sqlite3vfs.OpenFlag) (sqlite3vfs.File, sqlite3vfs.OpenFlag, error) {
	if flags&sqlite3vfs.OpenMainDB == 0 {
		return nil, 0, sqlite3vfs.CantOpenError
	}
	size, err := v.r.Size()
	if err != nil {
		return nil, 0, err
	}
	return &pageFile{r: v.r, size: size}, flags, nil
}

func (pageGet) Delete(string, bool) error                          { return sqlite3vfs.ReadOnlyError }
func (pageGet) Access(string, sqlite3vfs.AccessFlag) (bool, error) { return false, nil }
func (pageGet) FullPathname(name string) string                    { return name }

// pageFile is the database, read only.
type pageFile struct {
	r    *httpreadat.RangeReader
	size int64
}

func (f *pageFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	if errors.Is(err, io.EOF) && n == len(p) {
		err = nil
	}
	return n, err
}

func (f *pageFile) FileSize() (int64, error)         { return f.size, nil }
func (*pageFile) Close() error                       { return nil }
func (*pageFile) WriteAt([]byte, int64) (int, error) { return 0, sqlite3vfs.ReadOnlyError }
func (*pageFile) Truncate(int64) error               { return sqlite3vfs.ReadOnlyError }
func (*pageFile) Sync(sqlite3vfs.SyncType) error     { return nil }
func (*pageFile) Lock(sqlite3vfs.LockType) error     { return nil }
func (*pageFile) Unlock(sqlite3vfs.LockType) error   { return nil }
func (*pageFile) CheckReservedLock() (bool, error)   { return false, nil }
func (*pageFile) SectorSize() int64                  { return 0 }
func (*pageFile) DeviceCharacteristics() sqlite3vfs.DeviceCharacteristic {
	return sqlite3vfs.IocapImmutable
}
