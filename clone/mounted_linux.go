package clone

import (
	"golang.org/x/sys/unix"

	"hydrant/dest"
)

// mountedAlone tells whether the file was opened by a name onto which it alone is mounted. What
// lies beside that name is another folder's than what lies beside the file.
func mountedAlone(s dest.Stater) (bool, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(s.Fd()), "", unix.AT_EMPTY_PATH, 0, &st); err != nil {
		return false, err
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}
