package state

// Trust says how far the volatile part survives.
type Trust int

const (
	// TrustMount adopts it on the same mount in the same boot: what a killed process leaves.
	TrustMount Trust = iota
	// TrustBoot adopts it in the same boot when the kernel cannot tell mounts apart. A forced
	// unmount then goes unnoticed.
	TrustBoot
	// TrustNever always starts from what is durable: for file systems not known to be local.
	TrustNever
)

// Verdict is what a stamp says about the volatile part.
type Verdict int

// The verdicts.
const (
	Adopt   Verdict = iota // same files, same mount, same boot: the volatile maps count
	Recover                // another mount or boot: the durable maps count
	Foreign                // other files: a copy of a clone
)

// Forget makes it a stamp of no boot: nothing volatile is there to be believed, or any more.
func (was *Stamp) Forget() { was.Boot = [16]byte{} }

// Judge compares the stamp in a superblock with the present.
func (was Stamp) Judge(now Stamp, trust Trust) Verdict {
	if !was.Dest.SameFile(now.Dest) || !was.State.SameFile(now.State) {
		return Foreign
	}
	if trust == TrustNever || was.Boot != now.Boot || was.Boot == [16]byte{} {
		return Recover
	}
	if was.Dest.Mount != now.Dest.Mount || was.State.Mount != now.State.Mount {
		return Recover
	}
	if now.Dest.Mount == 0 || now.State.Mount == 0 {
		if trust != TrustBoot {
			return Recover
		}
	}
	return Adopt
}
