//go:build race

package clone

const raceDetector = true
