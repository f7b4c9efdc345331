package s3test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// store is all buckets. Objects are immutable, so they are used after the lock is let go.
type store struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
	files   []io.Closer // behind file objects, closed with the store
	version uint64      // the last version id given
}

// bucket is guarded by store.mu.
type bucket struct {
	name       string
	created    time.Time
	versioning string               // "", "Enabled", "Suspended"
	objects    map[string][]*object // all versions, the newest last; never empty
	sorted     []string             // keys of objects in order; nil when out of date
}

// object is one version of one key. It never changes.
type object struct {
	key      string
	content  content // nil: a delete marker
	etag     string  // without quotes
	modified time.Time
	version  string      // "": made while the bucket had no versioning
	headers  http.Header // what a GET gives back as it came: Content-Type, X-Amz-Meta-*
	checksum checksum
	parts    []int64 // sizes of the parts of a multipart object
}

func newStore(now func() time.Time) *store {
	return &store{now: now, buckets: map[string]*bucket{}}
}

func (st *store) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range st.files {
		_ = f.Close()
	}
	st.files = nil
}

func (st *store) bucketLocked(name string) (*bucket, error) {
	if b := st.buckets[name]; b != nil {
		return b, nil
	}
	return nil, noSuchBucket(name)
}

// create makes the bucket; false if it is there.
func (st *store) create(name string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.buckets[name] != nil {
		return false
	}
	st.buckets[name] = &bucket{name: name, created: st.now(), objects: map[string][]*object{}}
	return true
}

// get returns the version of key, the newest for "". The error is S3's.
func (st *store) get(bucket, key, version string) (*object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	if version == "" {
		if o := b.current(key); o != nil {
			return o, nil
		}
		return nil, noSuchKey(key)
	}
	i := b.find(key, version)
	if i < 0 {
		return nil, fail(404, "NoSuchVersion", "The specified version does not exist.").with("Key", key).with("VersionId", version)
	}
	o := b.objects[key][i]
	if o.content == nil {
		return nil, fail(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
	return o, nil
}

// put makes o the newest version of its key if cond allows it, in one step. It sets o.version and o.modified.
func (st *store) put(bucket string, o *object, cond writeCondition) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	if err := cond.check(b.current(o.key), o.key); err != nil {
		return err
	}
	st.addLocked(b, o)
	return nil
}

// remove deletes: the version named, or else the newest by a delete marker where there is versioning. It returns what
// was removed or the marker; nil if there was nothing, which is no error.
func (st *store) remove(bucket, key, version string, cond writeCondition) (*object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	if err := cond.check(b.current(key), key); err != nil {
		return nil, err
	}
	if version == "" && b.versioning != "" {
		marker := &object{key: key}
		st.addLocked(b, marker)
		return marker, nil
	}
	if version == "" {
		version = "null"
	}
	i := b.find(key, version)
	if i < 0 {
		return nil, nil
	}
	o := b.objects[key][i]
	b.drop(key, i)
	return o, nil
}

func (st *store) addLocked(b *bucket, o *object) {
	o.modified = st.now().UTC().Truncate(time.Millisecond)
	switch b.versioning {
	case "Enabled":
		st.version++
		o.version = fmt.Sprintf("v%015d", st.version)
	case "Suspended":
		o.version = "null"
	}
	if i := b.find(o.key, cmp.Or(o.version, "null")); i >= 0 {
		b.drop(o.key, i)
	}
	if len(b.objects[o.key]) == 0 {
		b.sorted = nil
	}
	b.objects[o.key] = append(b.objects[o.key], o)
}

// current is the newest version of key; nil if there is none or it is a delete marker.
func (b *bucket) current(key string) *object {
	v := b.objects[key]
	if len(v) == 0 || v[len(v)-1].content == nil {
		return nil
	}
	return v[len(v)-1]
}

// find is the index of a version; "null" is the one made without versioning. -1: none.
func (b *bucket) find(key, version string) int {
	return slices.IndexFunc(b.objects[key], func(o *object) bool { return cmp.Or(o.version, "null") == version })
}

// drop forgets version i of key. Objects are handed out, so the slice is copied.
func (b *bucket) drop(key string, i int) {
	v := b.objects[key]
	if len(v) == 1 {
		delete(b.objects, key)
		b.sorted = nil
		return
	}
	b.objects[key] = slices.Concat(v[:i], v[i+1:])
}

// keys are all keys in order. The slice must not be changed.
func (b *bucket) keys() []string {
	if b.sorted == nil {
		b.sorted = make([]string, 0, len(b.objects))
		for k := range b.objects {
			b.sorted = append(b.sorted, k)
		}
		slices.Sort(b.sorted)
	}
	return b.sorted
}
