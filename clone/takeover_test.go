package clone

import (
	"context"
	"testing"
	"time"
)

// kill -9 of the process that hydrates: another one goes on where it was. What is local is not
// fetched again, and what was on its way is all that is lost.
func TestTakeOverFetchesNothingAgain(t *testing.T) {
	const size, batch, conns = 24<<20 + 123, 64 << 10, 4
	s := newStage(t, size)
	s.blob.slow = time.Millisecond
	opts := &Options{Keep: true, NoBackground: true, Knobs: Knobs{
		Bandwidth: knob(int64(8 << 20)), Batch: knob(int64(batch)), Connections: knob(conns)}}
	c := s.open(opts)
	victim := s.play("hydrate", "")
	heir := s.play("hydrate", "")
	for c.countLocal() < c.geo.count/3 {
		time.Sleep(time.Millisecond)
	}
	victim.kill()
	geo, local := s.local()
	mark := len(s.blob.requests(0))
	if err := c.Tune(Knobs{Bandwidth: knob(int64(0))}); err != nil {
		t.Fatal(err)
	}
	heir.says("complete\n")
	for _, a := range s.blob.requests(mark) {
		for r := range geo.touched(a.off, a.n).len() {
			if r += geo.touched(a.off, a.n).lo; local[r] {
				t.Fatalf("bytes %d to %d were asked for again: region %d was there", a.off, a.off+a.n, r)
			}
		}
	}
	if sent := s.blob.sent(); sent > size+conns*batch {
		t.Errorf("%d bytes were sent, %d and %d of a process that died were to be", sent, size, conns*batch)
	}
	if pid := int(c.head().HydPID.Load()); pid != heir.cmd.Process.Pid {
		t.Errorf("%d hydrated, want %d", pid, heir.cmd.Process.Pid)
	}
	s.whole()
}

// Readers of several processes and one that hydrates fetch each byte once between them, and what
// they fetch twice they say.
func TestProcessesShareWhatOneHydrates(t *testing.T) {
	const size = 16<<20 + 5
	s := newStage(t, size)
	s.blob.slow = time.Millisecond
	opts := &Options{Keep: true, NoBackground: true, Knobs: Knobs{
		Batch: knob(int64(256 << 10)), Connections: knob(2)}}
	a, b := s.open(opts), s.open(opts)
	hydrator := s.play("hydrate", "")
	done := make(chan error, 2)
	for i, c := range []*Clone{a, b} {
		go func() {
			p := make([]byte, 100_000)
			for off := int64(0); off < size; off += int64(len(p)) {
				at := off
				if i == 1 {
					at = max(size-off-int64(len(p)), 0)
				}
				n, err := c.ReadAt(context.Background(), p, at)
				if int64(n) < min(int64(len(p)), size-at) {
					done <- err
					return
				}
				if err := s.blob.blob.Check(p[:n], at); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	hydrator.says("complete\n")
	again := int64(a.head().Refetched.Load())
	t.Logf("%d bytes sent of %d, %d fetched twice on purpose", s.blob.sent(), int64(size), again)
	if sent := s.blob.sent(); sent > size+again {
		t.Errorf("%d bytes were sent, %d and %d on purpose were to be", sent, size, again)
	}
	if again > size/4 {
		t.Errorf("%d bytes were fetched twice", again)
	}
	s.whole()
}
