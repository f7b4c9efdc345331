package s3test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// transfer sends size bytes over a link of its own and returns how long it took.
func transfer(s *Server, c *conn, size int64) time.Duration {
	call := &call{
		s: s, ctx: context.Background(), conn: c, access: &Access{}, r: httptest.NewRequest("GET", "/", nil),
		w: &response{w: httptest.NewRecorder(), lost: true},
	}
	start := time.Now()
	call.send(readerContent{zeros{}, size}, 0, size)
	return time.Since(start)
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

func within(t *testing.T, what string, got, want, off time.Duration) {
	t.Helper()
	if (got - want).Abs() > off {
		t.Errorf("%s took %v, want %v", what, got, want)
	}
}

func TestPace(t *testing.T) {
	const mega = 1_000_000
	cases := []struct {
		name string
		net  Network
		size int64
		want time.Duration
	}{
		{"no limit", Network{}, 80 * mega, 0},
		{"one second", Network{Bandwidth: 80 * mega}, 80 * mega, time.Second},
		{"slow", Network{Bandwidth: 1000}, 10_000, 10 * time.Second},
		{"a page", Network{Bandwidth: 1 * mega}, 4096, 4096 * time.Microsecond},
		{"total", Network{TotalBandwidth: 10 * mega}, 80 * mega, 8 * time.Second},
		{"both", Network{Bandwidth: 80 * mega, TotalBandwidth: 40 * mega}, 80 * mega, 2 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Network: c.net})
				within(t, "transfer", transfer(s, &conn{}, c.size), c.want, paceSlack+paceTick)
			})
		})
	}
}

// Small answers are less than a sleep is worth each; together they still take their time.
func TestPaceKeepsDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := New(Options{Network: Network{Bandwidth: 80_000_000}}), &conn{}
		start := time.Now()
		for range 1000 {
			transfer(s, c, 4000)
		}
		within(t, "1000 small transfers", time.Since(start), 50*time.Millisecond, time.Millisecond)
	})
}

// Time in which a connection is idle earns it nothing.
func TestPaceGivesNoCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := New(Options{Network: Network{Bandwidth: 1_000_000}}), &conn{}
		transfer(s, c, 1000)
		time.Sleep(time.Hour)
		within(t, "transfer", transfer(s, c, 1_000_000), time.Second, time.Millisecond)
	})
}

func TestPaceTotalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Network: Network{Bandwidth: 50_000_000, TotalBandwidth: 100_000_000}})
		start := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { transfer(s, &conn{}, 25_000_000) })
		}
		all.Wait()
		within(t, "200 MB", time.Since(start), 2*time.Second, paceSlack+8*paceTick)
	})
}

func TestPaceFollowsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Network: Network{Bandwidth: 1_000_000}})
		time.AfterFunc(time.Second, func() { s.SetNetwork(Network{Bandwidth: 10_000_000}) })
		within(t, "transfer", transfer(s, &conn{}, 11_000_000), 2*time.Second, 2*paceSlack)
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := New(Options{Network: Network{Latency: Fixed(30 * time.Millisecond), Connect: Fixed(time.Second)}}), &conn{}
		for _, want := range []time.Duration{1030 * time.Millisecond, 30 * time.Millisecond} {
			start := time.Now()
			if err := s.firstByte(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			within(t, "first byte", time.Since(start), want, 0)
		}
	})
}

func TestLatencyIsRepeatable(t *testing.T) {
	latency := Mixed(LogNormal(30*time.Millisecond, 0.4), Pareto(100*time.Millisecond, 1.5, 2*time.Second), 0.05)
	a, b, c := New(Options{Seed: 1}), New(Options{Seed: 1}), New(Options{Seed: 2})
	differ := false
	for i := range 100 {
		x := a.draw(latency)
		if y := b.draw(latency); x != y {
			t.Fatalf("draw %d: %v and %v from one seed", i, x, y)
		}
		differ = differ || x != c.draw(latency)
	}
	if !differ {
		t.Error("two seeds draw the same")
	}
}

// The real clock and a real connection: at most the rate, and not much less.
func TestBandwidthOverHTTP(t *testing.T) {
	const rate, size = 80_000_000, 40_000_000
	s := Start(t, Options{Anonymous: true, Network: Network{Bandwidth: rate}})
	s.PutReaderAt("bucket", "zeros", zeros{}, size, "zeros-1")
	start := time.Now()
	res, err := http.Get(s.URL() + "/bucket/zeros")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	got := float64(n) / time.Since(start).Seconds()
	t.Logf("%.1f MB/s", got/1e6)
	if got > rate*1.03 || got < rate*0.3 { // the lower bound is generous: machines are busy
		t.Errorf("%.1f MB/s, want %.1f", got/1e6, float64(rate)/1e6)
	}
}
