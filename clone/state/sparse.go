package state

// sparse is the words of a map that is kept in memory. Most of them are all zeros or all ones, those of
// a blob that is hydrated in order: so a map of a hundred gibibytes does not take megabytes.
type sparse struct {
	n     int
	parts []*wordPart
}

const partWords = 512

type wordPart [partWords]uint64

// None of these two is ever written to.
var zeroPart, onesPart = new(wordPart), func() *wordPart {
	p := new(wordPart)
	for i := range p {
		p[i] = ^uint64(0)
	}
	return p
}()

func newSparse(n int) sparse {
	s := sparse{n: n, parts: make([]*wordPart, (n+partWords-1)/partWords)}
	for i := range s.parts {
		s.parts[i] = zeroPart
	}
	return s
}

func (s *sparse) word(i int) uint64 { return s.parts[i/partWords][i%partWords] }

func (s *sparse) set(i int, w uint64) {
	p := s.parts[i/partWords]
	if p[i%partWords] == w {
		return
	}
	if p == zeroPart || p == onesPart {
		own := *p
		p = &own
		s.parts[i/partWords] = p
	}
	p[i%partWords] = w
}

// tidy gives up the memory of those parts from word lo to word hi that need not have any.
func (s *sparse) tidy(lo, hi int) {
	for i := lo / partWords; i < len(s.parts) && i*partWords < hi; i++ {
		switch {
		case s.parts[i] == zeroPart || s.parts[i] == onesPart:
		case *s.parts[i] == *zeroPart:
			s.parts[i] = zeroPart
		case *s.parts[i] == *onesPart:
			s.parts[i] = onesPart
		}
	}
}

// all copies the words.
func (s *sparse) all() []uint64 {
	words := make([]uint64, s.n)
	for i := range words {
		words[i] = s.word(i)
	}
	return words
}
