package shopdb

import "math/rand/v2"

// words is how many different ones the text is made of.
const words = 4000

// text draws sentences in which words are as frequent as in a language: the k-th by 1/k.
type text struct {
	zipf  *rand.Zipf
	words []string
	buf   []byte
}

func newText(rng *rand.Rand) *text {
	t := &text{zipf: rand.NewZipf(rng, 1.1, 1, words-1)}
	for range words {
		t.words = append(t.words, word(rng))
	}
	return t
}

func word(rng *rand.Rand) string {
	const consonants, vowels = "bcdfghklmnprstvz", "aeiou"
	var w []byte
	for range 1 + rng.IntN(4) {
		w = append(w, consonants[rng.IntN(len(consonants))], vowels[rng.IntN(len(vowels))])
	}
	return string(w)
}

// sentence is n bytes of text.
func (t *text) sentence(n int) string {
	t.buf = t.buf[:0]
	for len(t.buf) < n {
		t.buf = append(t.buf, t.words[t.zipf.Uint64()]...)
		t.buf = append(t.buf, ' ')
	}
	t.buf[n-1] = '.'
	return string(t.buf[:n])
}
