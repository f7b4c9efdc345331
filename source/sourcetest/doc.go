// Package sourcetest holds what tests need of sources: Run, the suite that every source passes,
// and Fake, a source in memory with faults, delays and a log of what it was asked.
package sourcetest
