package source_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"hydrant/internal/s3test"
	"hydrant/source"
)

// conns are the connections that the server has been asked for this object by.
func conns(s *s3test.Server, key string) map[uint64]bool {
	all := map[uint64]bool{}
	for _, a := range s.Log("b", key) {
		all[a.Conn] = true
	}
	return all
}

// Readers and the background have each connections of their own: what the one has just let go of is
// not taken by the other.
func TestConnectionsOfReadersAndBackground(t *testing.T) {
	for protocol, open := range protocols {
		t.Run(protocol, func(t *testing.T) {
			s := hostile(t)
			src := open(t, s)
			defer src.Close()
			ctx := bounded(t)
			id, _, err := src.Identify(ctx, 16)
			if err != nil {
				t.Fatal(err)
			}
			read := func(ctx context.Context) {
				t.Helper()
				got := make([]byte, 1000)
				if err := source.ReadAll(ctx, src, id, got, 7); err != nil {
					t.Error(err)
				} else if err := hostileBlob.Check(got, 7); err != nil {
					t.Error(err)
				}
			}
			read(ctx)
			waited := conns(s, "k")
			if len(waited) != 1 {
				t.Fatalf("two requests, one after the other, by %d connections", len(waited))
			}
			s.Reset()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { read(source.InBackground(ctx)) })
			}
			wg.Wait()
			background := conns(s, "k")
			s.Reset()
			for range 4 {
				read(ctx)
			}
			for c := range conns(s, "k") {
				if !waited[c] {
					t.Error("a reader had another connection than the reader before")
				}
				if background[c] {
					t.Error("a reader had a connection of the background")
				}
			}
			s.Reset()
			read(source.InBackground(ctx))
			for c := range conns(s, "k") {
				if waited[c] { // one it never had is well: dialled when eight were wanted, and late
					t.Error("the background had a connection of the readers")
				}
			}
		})
	}
}

// Sources of one server have connections in common, until the last of them is closed.
func TestConnectionsInCommon(t *testing.T) {
	for protocol, open := range protocols {
		t.Run(protocol, func(t *testing.T) {
			s := hostile(t)
			ctx := bounded(t)
			var all []source.Source
			for range 5 {
				src := open(t, s)
				defer src.Close()
				all = append(all, src)
			}
			ask := func(src source.Source) {
				t.Helper()
				if _, _, err := src.Identify(ctx, 16); err != nil {
					t.Error(err)
				}
			}
			for _, src := range all {
				ask(src)
			}
			if n := len(conns(s, "k")); n != 1 {
				t.Errorf("%d connections for as many sources, one after the other", n)
			}
			for _, src := range all[1:] {
				src.Close()
				src.Close() // again: it is nobody else's
				if _, _, err := src.Identify(ctx, 16); err == nil {
					t.Error("a closed source answers")
				}
				ask(all[0])
			}
			if n := len(conns(s, "k")); n != 1 {
				t.Errorf("%d connections after some sources have been closed", n)
			}
			all[0].Close()
			for s.Stats().Open != 0 {
				if ctx.Err() != nil {
					t.Fatalf("%d connections are open", s.Stats().Open)
				}
				time.Sleep(time.Millisecond)
			}
			again := open(t, s)
			defer again.Close()
			ask(again)
		})
	}
}
