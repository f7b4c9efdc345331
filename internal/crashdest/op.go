package crashdest

import "math/rand/v2"

// op is one change of an image: a write, a punched hole, or a new size.
type op struct {
	off             int64
	data            []byte // a write's; zeros for a hole
	hole            bool   // leaves the size alone
	size            bool   // off is the new size, and there is no data
	running         bool   // its call has not returned
	synced, spoiled bool   // at most one: durable for certain, or never by any later Sync
}

// do returns the image with the whole operation done to it. It may change the image it is given.
func (o op) do(image []byte) []byte {
	if o.size {
		return resize(image, o.off)
	}
	return o.put(image, 0, int64(len(o.data)))
}

// put does the part [from, to) of the operation's data.
func (o op) put(image []byte, from, to int64) []byte {
	end := o.off + to
	if end > int64(len(image)) && !o.hole {
		image = resize(image, end)
	}
	if at := o.off + from; at < int64(len(image)) {
		copy(image[at:], o.data[from:to])
	}
	return image
}

// doSome returns the image after a crash: with all of the operation, with none of it, or, as likely
// as both together, with some of its sectors.
func (o op) doSome(image []byte, rng *rand.Rand) []byte {
	fate := rng.IntN(4)
	switch {
	case fate == 0, fate == 1 && o.size:
		return o.do(image)
	case o.size:
		return image
	case fate == 1:
		return o.lose(image, rng)
	default:
		return o.tear(o.lose(image, rng), rng)
	}
}

// doAs returns the image with none of the operation or all of it, and with tear, when it lies in
// more than one sector, perhaps with one or the other half of these.
func (o op) doAs(image []byte, choose func(n int) int, tear bool) []byte {
	const sector = 512
	first, last := o.off/sector, (o.off+int64(len(o.data))-1)/sector
	outcomes := 2
	if tear && !o.size && last > first {
		outcomes = 4
	}
	middle := (first+last+1)/2*sector - o.off
	switch choose(outcomes) {
	case 1:
		return o.do(image)
	case 2:
		return o.put(image, 0, middle)
	case 3:
		return o.put(image, middle, int64(len(o.data)))
	}
	return image
}

// lose returns the image without the operation's data, and at times with the size it has brought.
func (o op) lose(image []byte, rng *rand.Rand) []byte {
	end := o.off + int64(len(o.data))
	if !o.hole && end > int64(len(image)) && rng.IntN(2) == 0 {
		return resize(image, end)
	}
	return image
}

// tear does the operation in some sectors, of one or the other size that disks and file systems
// write at once.
func (o op) tear(image []byte, rng *rand.Rand) []byte {
	sector := []int64{512, 4096}[rng.IntN(2)]
	for from := int64(0); from < int64(len(o.data)); {
		to := min(from+sector-(o.off+from)%sector, int64(len(o.data)))
		if rng.IntN(2) == 0 {
			image = o.put(image, from, to)
		}
		from = to
	}
	return image
}

// resize cuts the image or adds zeros to it.
func resize(image []byte, size int64) []byte {
	if size <= int64(len(image)) {
		return image[:size:size]
	}
	return append(image, make([]byte, size-int64(len(image)))...)
}
