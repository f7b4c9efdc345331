package cache

import "sync"

// Pool is the memory that sources share. There is one in a process.
//
// Whoever shares a pool trusts each other: a block is given to every source of the same URL and
// identity, whoever's credentials it was fetched with.
type Pool struct {
	blockSize int64
	kept      *kept

	mu      sync.Mutex
	flights map[key]*flight
}

// key names a block: the blob and its version, and which of its blocks.
type key struct {
	blob  string
	block int64
}

// flight is a block on its way. Whoever made it closes done, with data or err set before.
type flight struct {
	key   key
	owner *Source
	done  chan struct{}
	data  []byte // shared: never written to after done
	err   error
}

// NewPool returns a pool that keeps up to that many bytes. Beyond them, each reader has up to
// 8 MiB in flight.
func NewPool(bytes int64, opts Options) (*Pool, error) {
	opts, err := opts.withDefaults(bytes)
	if err != nil {
		return nil, err
	}
	kept, err := newKept(bytes, opts.BlockSize)
	if err != nil {
		return nil, err
	}
	return &Pool{blockSize: opts.BlockSize, kept: kept, flights: make(map[key]*flight)}, nil
}

// Close lets go of all blocks. Sources that are still open go on, without anything being kept.
func (p *Pool) Close() error {
	p.kept.close()
	return nil
}

// claim returns a flight for each block of blob from first to last. Those that are new are also
// returned as runs of neighbours, which owner has to fetch; blocks that are kept are flights that
// have landed.
func (p *Pool) claim(owner *Source, blob string, first, last int64) (all []*flight, runs [][]*flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	extends := false // whether the block before is the end of the last run
	for block := first; block <= last; block++ {
		k := key{blob, block}
		f, ok := p.flights[k]
		if !ok {
			f, ok = p.landedLocked(k)
		}
		if !ok {
			f = &flight{key: k, owner: owner, done: make(chan struct{})}
			p.flights[k] = f
			if !extends {
				runs = append(runs, nil)
			}
			runs[len(runs)-1] = append(runs[len(runs)-1], f)
		}
		extends = !ok
		all = append(all, f)
	}
	return all, runs
}

func (p *Pool) landedLocked(k key) (*flight, bool) {
	data, ok := p.kept.get(k)
	if !ok {
		return nil, false
	}
	return &flight{key: k, done: landed, data: data}, true
}

var landed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// land ends a flight: readers first, then memory, and only then others may claim the block. A
// failed one is out of the way before its readers know, so that none of them finds it again.
func (p *Pool) land(f *flight, data []byte, err error) {
	f.data, f.err = data, err
	if err != nil {
		p.forget(f)
		close(f.done)
		return
	}
	close(f.done)
	p.kept.put(f.key, data)
	p.forget(f)
}

func (p *Pool) forget(f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flights, f.key)
}
