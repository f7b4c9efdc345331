package shopdb

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// shop draws rows. Equal seeds draw equal rows.
type shop struct {
	rng       *rand.Rand
	text      *text
	clock     time.Time // when the last order was made
	customers int64
}

func newShop(seed uint64) *shop {
	rng := rand.New(rand.NewPCG(seed, 0x5b07))
	return &shop{rng: rng, text: newText(rng), clock: time.Date(2019, 3, 1, 8, 0, 0, 0, time.UTC)}
}

var (
	firsts   = []string{"Ada", "Bela", "Chidi", "Dora", "Emil", "Fatma", "Goran", "Hana", "Ines", "Jun", "Kofi", "Lena", "Marek", "Noor", "Olga", "Pablo"}
	lasts    = []string{"Aalto", "Brandt", "Costa", "Dvorak", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen", "Kowalski", "Lopez", "Moreau", "Novak", "Okafor", "Petrov"}
	cities   = []string{"Accra", "Bergen", "Cork", "Dresden", "Essen", "Faro", "Gdansk", "Haifa", "Izmir", "Jena", "Kyoto", "Lyon", "Malaga", "Nantes", "Oulu", "Porto"}
	statuses = []string{"delivered", "delivered", "delivered", "delivered", "delivered", "delivered", "shipped", "paid", "returned", "cancelled"}
)

func (s *shop) pick(from []string) string { return from[s.rng.IntN(len(from))] }

// customer is the arguments of insertCustomer. One in 200 has notes long enough for overflow
// pages, and half have none.
func (s *shop) customer() []any {
	s.customers++
	first, last := s.pick(firsts), s.pick(lasts)
	var notes any
	switch n := s.rng.IntN(200); {
	case n == 0:
		notes = s.text.sentence(4000 + s.rng.IntN(12000))
	case n < 100:
		notes = s.text.sentence(20 + s.rng.IntN(100))
	}
	return []any{
		first + " " + last,
		fmt.Sprintf("%s.%s.%d@example.com", first, last, s.customers),
		s.pick(cities),
		s.clock.Format(time.DateTime),
		notes,
	}
}

// order is the arguments of insertOrder. Some customers order far more than others: the square
// of a uniform number favours those who came first.
func (s *shop) order() []any {
	s.clock = s.clock.Add(time.Duration(1+s.rng.IntN(120)) * time.Second)
	u := s.rng.Float64()
	return []any{
		1 + int64(u*u*float64(s.customers)),
		s.pick(statuses),
		500 + s.rng.Int64N(30000),
		s.clock.Format(time.DateTime),
		fmt.Sprintf("%016x%016x", s.rng.Uint64(), s.rng.Uint64()),
		s.text.sentence(150 + s.rng.IntN(401)),
	}
}
