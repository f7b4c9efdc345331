package dest

import "io/fs"

// readOnly is a destination that is only looked at. It has none of the powers of what is inside.
type readOnly struct{ inner Dest }

func (r readOnly) ReadAt(p []byte, off int64) (int, error) { return r.inner.ReadAt(p, off) }
func (r readOnly) Size() (int64, error)                    { return r.inner.Size() }
func (r readOnly) Close() error                            { return r.inner.Close() }

func (r readOnly) WriteAt([]byte, int64) (int, error) { return 0, refuse("write") }
func (r readOnly) Truncate(int64) error               { return refuse("truncate") }
func (r readOnly) Sync() error                        { return refuse("sync") }

func refuse(op string) error { return pathError(op, "what is open for reading only", fs.ErrPermission) }
