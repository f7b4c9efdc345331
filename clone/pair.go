package clone

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"hydrant/clone/state"
	"hydrant/dest"
)

// Dest and state file mean something together only as they were at one moment: a dest that is put
// back from yesterday's backup beside today's maps has holes where they say that it has data. So
// both bear a number, dest in its guard, which changes whenever the clone is opened by the first
// process and cleanly closed by the last. Copies of different moments do not match then. Either
// number is accepted while it changes:
//
//	superblock: this one or the next → dest: the next, synced → superblock: the next
//
// The first two steps are renewPair's, the third is for the caller, who has more to write there. Where
// an earlier change was not finished, it is made certain first which of the two dest bears: what is read
// of it may not be what the disk has.

// renewPair changes the number in dest, and in sb. Needs the attach lock exclusively and phase
// live. What dest cannot take, since its disk is full for one, it need not: then the old number
// stays, and either is accepted. errUnsynced when it cannot be synced: then dest may bear either.
func renewPair(f state.File, d dest.Dest, sb *state.Superblock) error {
	if sb.Pair != sb.NextPair {
		if ok, err := putPair(d, sb, sb.Pair); !ok {
			return err
		}
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	sb.NextPair = binary.LittleEndian.Uint32(b[:])
	if err := state.WriteSuperblock(f, sb); err != nil {
		return err
	}
	if ok, err := putPair(d, sb, sb.NextPair); !ok {
		return err
	}
	sb.Pair = sb.NextPair
	return nil
}

// putPair gives dest a guard with that number, and tells whether the disk has it now.
func putPair(d dest.Dest, sb *state.Superblock, pair uint32) (ok bool, err error) {
	guard := state.GuardOf(sb.UUID, pair)
	if _, err := d.WriteAt(guard[:], 0); err != nil {
		return false, nil
	}
	if err := d.Sync(); err != nil {
		return false, fmt.Errorf("%w: %w", errUnsynced, err)
	}
	return true, nil
}
