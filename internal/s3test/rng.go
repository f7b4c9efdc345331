package s3test

import (
	"math/rand/v2"
	"sync"
)

// rng is a seeded source of chance shared by all requests.
type rng struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newRNG(seed uint64) *rng {
	return &rng{r: rand.New(rand.NewPCG(seed, 0x6879_6472_616e_74))}
}

// with runs f with the generator to itself. f must not block.
func (g *rng) with(f func(*rand.Rand)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g.r)
}
