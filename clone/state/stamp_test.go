package state

import "testing"

func TestStampJudge(t *testing.T) {
	was := Stamp{
		Boot:  [16]byte{1},
		Dest:  FileID{Mount: 10, Dev: 1, Inode: 100, Birth: 1000},
		State: FileID{Mount: 10, Dev: 1, Inode: 101, Birth: 1001},
	}
	for _, tt := range []struct {
		name               string
		change             func(was, now *Stamp)
		mount, boot, never Verdict
	}{
		{"all the same", func(was, now *Stamp) {}, Adopt, Adopt, Recover},
		{"another boot", func(was, now *Stamp) { now.Boot[0]++ }, Recover, Recover, Recover},
		{"boot not known", func(was, now *Stamp) { was.Boot, now.Boot = [16]byte{}, [16]byte{} }, Recover, Recover, Recover},
		{"dest's mount is another", func(was, now *Stamp) { now.Dest.Mount++ }, Recover, Recover, Recover},
		{"state file's mount is another", func(was, now *Stamp) { now.State.Mount++ }, Recover, Recover, Recover},
		{"mounts not known", func(was, now *Stamp) {
			was.Dest.Mount, was.State.Mount, now.Dest.Mount, now.State.Mount = 0, 0, 0, 0
		}, Recover, Adopt, Recover},
		{"mounts not known then", func(was, now *Stamp) { was.Dest.Mount, was.State.Mount = 0, 0 }, Recover, Recover, Recover},
		{"dest's inode is another", func(was, now *Stamp) { now.Dest.Inode++ }, Foreign, Foreign, Foreign},
		{"dest's inode was used again", func(was, now *Stamp) { now.Dest.Birth++ }, Foreign, Foreign, Foreign},
		{"dest's device is another", func(was, now *Stamp) { now.Dest.Dev++ }, Foreign, Foreign, Foreign},
		{"another device with another mount", func(was, now *Stamp) {
			now.Dest.Dev, now.State.Dev = 2, 2
			now.Dest.Mount, now.State.Mount = 11, 11
		}, Recover, Recover, Recover},
		{"another device with another mount, birth not known", func(was, now *Stamp) {
			was.Dest.Birth, now.Dest.Birth = 0, 0
			now.Dest.Dev, now.Dest.Mount = 2, 11
		}, Foreign, Foreign, Foreign},
		{"state file's inode is another", func(was, now *Stamp) { now.State.Inode++ }, Foreign, Foreign, Foreign},
		{"state file's inode was used again", func(was, now *Stamp) { now.State.Birth++ }, Foreign, Foreign, Foreign},
		{"a copy, after a boot", func(was, now *Stamp) { now.Boot[0]++; now.Dest.Inode++ }, Foreign, Foreign, Foreign},
	} {
		was, now := was, was
		tt.change(&was, &now)
		for trust, want := range map[Trust]Verdict{TrustMount: tt.mount, TrustBoot: tt.boot, TrustNever: tt.never} {
			if got := was.Judge(now, trust); got != want {
				t.Errorf("%s, trust %d: verdict %d, want %d", tt.name, trust, got, want)
			}
		}
	}
}
