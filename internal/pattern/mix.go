package pattern

// splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014): a
// bijection on words, so that a word also tells which offset it belongs to. golden is odd and
// so has an inverse modulo 2^64.
const (
	golden        = 0x9e3779b97f4a7c15
	goldenInverse = 0xf1de83e19937733d
	mul1          = 0xbf58476d1ce4e5b9
	mul1Inverse   = 0x96de1b173f119089
	mul2          = 0x94d049bb133111eb
	mul2Inverse   = 0x319642b2d24d8ec3
)

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * mul1
	x = (x ^ x>>27) * mul2
	return x ^ x>>31
}

// unmix is the inverse of mix.
func unmix(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * mul2Inverse
	x = (x ^ x>>27 ^ x>>54) * mul1Inverse
	return x ^ x>>30 ^ x>>60
}
