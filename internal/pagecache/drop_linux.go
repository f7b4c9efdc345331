package pagecache

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Drop forgets what is held of the open file fd, which has been synced: what is still to be written
// cannot be forgotten. An error says that some of it could not be: a process has the file mapped,
// or is reading it now. Where there is nothing behind the memory (tmpfs) it does nothing; where the
// kernel does not tell what it holds (before 6.5), what stays goes unnoticed.
func Drop(fd uintptr) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(fd), &st); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return nil
	}
	var held uint64
	// The kernel lets go of pages that another processor has just touched only a little later.
	for range 20 {
		if err := unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED); err != nil {
			return fmt.Errorf("fadvise: %w", err)
		}
		if held = cached(fd); held == 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%d pages of it stay in memory: another process has it mapped, or is reading it; end that first", held)
}

// cached is how many pages of the file are held in memory, 0 when that cannot be told.
func cached(fd uintptr) uint64 {
	var out unix.Cachestat_t
	if err := unix.Cachestat(uint(fd), &unix.CachestatRange{}, &out, 0); err != nil {
		return 0
	}
	return out.Cache
}
