//go:build vfs

package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/benbjohnson/litestream"
	"github.com/benbjohnson/litestream/s3"
	"github.com/psanford/sqlite3vfs"
)

// open opens the database by a strategy; local tells whether all of it is here.
func open(ctx context.Context, strategy, address, path string) (_ *sql.DB, local func() bool, err error) {
	local = func() bool { return false }
	params := ""
	switch strategy {
	case "litestream", "litestream-best":
		_, err = register(ctx, address, nil)
	case "litestream-hydrating":
		local, err = register(ctx, address, func(v *litestream.VFS) { v.HydrationEnabled, v.HydrationPath = true, path })
	case "litestream-write":
		_, err = register(ctx, address, func(v *litestream.VFS) { v.WriteEnabled = true })
	case "pageget":
		params = "&mode=ro&immutable=1"
		err = registerPageGet(ctx, address)
	default:
		err = fmt.Errorf("%q: no such strategy", strategy)
	}
	if err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite3", "file:/bench.db?vfs=peer"+params)
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, local, err
}

// register registers Litestream's VFS for the replica at address, with its defaults but for what
// change does.
func register(ctx context.Context, address string, change func(*litestream.VFS)) (local func() bool, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	c := s3.NewReplicaClient()
	c.Bucket, c.Path = u.Host, strings.TrimPrefix(u.Path, "/")
	c.Endpoint, c.Region, c.ForcePathStyle = u.Query().Get("endpoint"), u.Query().Get("region"), true
	c.AccessKeyID, c.SecretAccessKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if err := c.Init(ctx); err != nil {
		return nil, err
	}
	v := &watched{VFS: litestream.NewVFS(c, slog.Default())}
	if change != nil {
		change(v.VFS)
	}
	return v.local, sqlite3vfs.RegisterVFS("peer", v)
}

// watched is Litestream's VFS, which remembers the file that was opened: when that is hydrated is
// said nowhere else.
type watched struct {
	*litestream.VFS
	hydrator atomic.Pointer[litestream.Hydrator]
}

func (w *watched) OpenURI(name string, params map[string]string, flags sqlite3vfs.OpenFlag) (sqlite3vfs.File, sqlite3vfs.OpenFlag, error) {
	f, out, err := w.VFS.OpenURI(name, params, flags)
	if v, ok := f.(*litestream.VFSFile); ok && err == nil {
		field := reflect.ValueOf(v).Elem().FieldByName("hydrator")
		w.hydrator.Store((*litestream.Hydrator)(unsafe.Pointer(field.Pointer())))
	}
	return f, out, err
}

func (w *watched) local() bool {
	h := w.hydrator.Load()
	return h != nil && h.Complete()
}
