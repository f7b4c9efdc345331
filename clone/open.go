package clone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
)

// headBytes is how much of the source the first request asks for: it tells size and identity, and
// what came is not fetched again.
const headBytes = 64 << 10

// openTries is how often the source is asked before there is a clone: somebody waits who would
// rather know that the address is wrong.
const openTries = 5

// Open attaches to the clone whose destination is dst and whose state is in store, or makes one of
// src when there is neither. Attaching sends nothing to the source; making one sends one request.
// src may be nil for a clone that exists, see Options.OpenSource. It is the clone's from now on,
// and closed with it, or by Open when that fails.
//
// A clone that exists and may not be written, by this user or on this mount, is opened for reading:
// its Status has mode ro, what is cold is fetched and kept in memory only, and whatever would change
// something is refused with ErrAccess. Of opts only OpenSource, Trust and Knobs.Timeout count then.
//
// Errors: those of opening in errors.go; source's, when there is one to be asked; fs.ErrNotExist
// when there is neither clone nor source.
func Open(ctx context.Context, src source.Source, dst dest.Target, store state.Store, opts *Options) (*Clone, error) {
	o := &opening{src: src, dst: dst, store: store}
	return o.run(ctx, opts)
}

// OpenPath opens the clone whose destination is the file at path. Symbolic links to it are
// followed: its state file lies beside the file itself.
func OpenPath(ctx context.Context, src source.Source, path string, opts *Options) (*Clone, error) {
	mode := fs.FileMode(0o644)
	if opts != nil && opts.Mode != 0 {
		mode = opts.Mode
	}
	path, err := resolve(path)
	if err != nil {
		if src != nil {
			err = errors.Join(err, src.Close())
		}
		return nil, err
	}
	o := &opening{src: src, dst: dest.FileMode(path, mode), store: state.PathStore(path, mode), comp: pathCompanions(path)}
	if opts != nil && opts.WrapDest != nil {
		o.dst = opts.WrapDest(o.dst)
	}
	return o.run(ctx, opts)
}

// resolve returns the absolute path of the file itself. The file need not exist, its folder must.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return "", err
		}
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	return real, err
}

// opening is an Open under way.
type opening struct {
	src   source.Source
	dst   dest.Target
	store state.Store
	comp  Companions // nil: none
	opts  Options
	head  []byte     // the first bytes of the source, when this call asked for them
	uuid  [16]byte   // of the clone that they are for
	made  bool       // this call made the destination
	guess *guess     // the trace that lies beside the source, when this call asked for that
	ahead *headstart // what this call asked for while it made the files
	found dest.Dest  // the destination that was opened last

	denied error // why it may not be written
}

// run opens the clone, or closes the source.
func (o *opening) run(ctx context.Context, opts *Options) (*Clone, error) {
	if opts != nil {
		o.opts = *opts
	}
	c, err := o.open(ctx)
	if errors.Is(err, ErrAccess) {
		o.denied = err
		c, err = o.look(ctx)
	}
	if err != nil || c.look != nil {
		o.ahead.drop()
	}
	if err != nil {
		o.guess.drop()
	}
	if err != nil && o.src != nil {
		err = errors.Join(err, o.src.Close())
	}
	return c, err
}

func (o *opening) open(ctx context.Context) (*Clone, error) {
	if err := o.opts.Knobs.validate(); err != nil {
		return nil, err
	}
	timeout := o.timeout()
	deadline := time.Now().Add(timeout)
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		f, err := o.store.Open()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = o.make(ctx)
		case err != nil:
			return nil, fmt.Errorf("open state file %s: %w", o.store.Name(), denied(err))
		default:
			var c *Clone
			err = whileMapped(o.store.Name(), func() (err error) { c, err = o.attach(ctx, f); return err })
			if err == nil {
				return c, nil
			}
			o.abandon()
			err = errors.Join(err, f.Close())
		}
		if err != nil && !errors.Is(err, errAgain) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s: %w: gave up after %v", o.store.Name(), ErrBusy, timeout)
		}
		if err != nil {
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
		}
	}
}

// abandon closes dest, if a fault came before somebody else could. To close it twice is harmless.
func (o *opening) abandon() {
	if o.found != nil {
		_ = o.found.Close()
		o.found = nil
	}
}

// denied marks an error that comes of a lack of permission to write.
func denied(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", ErrAccess, err)
	}
	return err
}

// errAgain: another process was quicker, or is in the middle of something short. Look again.
var errAgain = errors.New("look again")

// make makes the state file of a new clone, whole, in phase creating. Whoever then attaches first
// makes the destination.
func (o *opening) make(ctx context.Context) error {
	if err := o.noDest(); err != nil {
		return err
	}
	if o.src == nil || o.opts.NoCreate {
		return fmt.Errorf("%s: %w and no source was given", o.dst.Name(), fs.ErrNotExist)
	}
	if o.comp != nil {
		name, err := o.comp.Conflict()
		if err != nil {
			return err
		}
		if name != "" {
			return fmt.Errorf("%s: %w: move %s away: it belongs to another database", o.dst.Name(), ErrCompanion, name)
		}
	}
	sb, err := o.superblock(ctx)
	if err != nil {
		return err
	}
	err = o.store.Create(func(f state.File) error { return state.Format(f, sb) })
	if errors.Is(err, fs.ErrExist) {
		o.head = nil // of the source as we saw it, which the other need not have seen
		return errAgain
	}
	if err != nil {
		return fmt.Errorf("make state file %s: %w", o.store.Name(), err)
	}
	return nil
}

// noDest returns nil when nothing is at the destination, and otherwise what that means where there
// is no state file.
func (o *opening) noDest() error {
	d, err := openFront(o.dst)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	front, err := readFront(d)
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("read %s: %w", o.dst.Name(), err)
	}
	if !state.IsGuard(front) {
		o.sweep()
		return fmt.Errorf("%s: %w", o.dst.Name(), ErrPlain)
	}
	// The state file may have come since we looked for it.
	f, err := o.store.Open()
	if err == nil {
		return errors.Join(errAgain, f.Close())
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return errAgain
	}
	return orphan(o.dst.Name(), o.store.Name())
}

// sweep takes away what those have left who were killed while they made a state file: of a clone that
// is being made, or of one that another made, completed and detached meanwhile.
func (o *opening) sweep() {
	if s, ok := o.store.(interface{ Sweep() }); ok {
		s.Sweep()
	}
}

func orphan(dst, store string) error {
	return fmt.Errorf("%s %w %s: put that back, or delete %s and clone again", dst, ErrOrphan, store, dst)
}

// timeout bounds each wait before there is a clone to say how long it is.
func (o *opening) timeout() time.Duration {
	if t := o.opts.Knobs.Timeout; t != nil {
		return *t
	}
	return DefaultTimeout
}

// superblock asks the source what it is and writes that down.
func (o *opening) superblock(ctx context.Context) (*state.Superblock, error) {
	timeout := o.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w (%v)", ErrTimeout, timeout))
	defer cancel()
	src, err := newCounted(o.src, openTries, func() time.Duration { return timeout })
	if err != nil {
		return nil, err
	}
	o.ahead.drop()
	o.guess.drop()
	o.ahead, o.guess = nil, nil
	if !o.opts.NoTrace && !o.opts.NoBackground {
		o.guess = askForTrace(o.src, timeout)
	}
	id, head, err := src.Identify(ctx, headBytes)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s: %w", o.src.URL(), context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	rs := o.opts.RegionSize
	if rs == 0 && o.opts.ChooseRegion != nil {
		rs = o.opts.ChooseRegion(head, id.Size)
	}
	if rs == 0 {
		rs = DefaultRegionSize
	}
	if _, err := state.NewLayout(id.Size, rs); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	sb := &state.Superblock{Size: id.Size, Tag: id.Tag, URL: o.src.URL(), RegionSize: rs,
		Phase: state.Creating, Created: time.Now().UnixNano()}
	if _, err := io.ReadFull(rand.Reader, sb.UUID[:]); err != nil {
		return nil, err
	}
	copy(sb.First[:], head)
	o.head, o.uuid = head, sb.UUID
	_, here := source.As[source.Localer](o.src)
	k := &o.opts.Knobs
	if capped := k.Bandwidth != nil && *k.Bandwidth > 0; !here && !capped && !o.opts.NoBackground {
		all := k.Hydration == nil || *k.Hydration
		o.ahead = newHeadstart(src, id, newGeometry(id.Size, rs), head, all, o.opts.Advisor, o.guess)
	}
	return sb, nil
}
