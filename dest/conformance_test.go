package dest_test

import (
	"path/filepath"
	"testing"

	"hydrant/dest"
	"hydrant/dest/desttest"
)

func TestFile(t *testing.T) {
	desttest.Run(t, func(t *testing.T) dest.Target {
		return dest.File(filepath.Join(t.TempDir(), "dest"))
	})
}

func TestMemory(t *testing.T) {
	desttest.Run(t, func(*testing.T) dest.Target { return dest.Memory() })
}
