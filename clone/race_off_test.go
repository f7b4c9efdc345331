//go:build !race

package clone

// raceDetector tells whether it is on, which makes everything ten times slower.
const raceDetector = false
