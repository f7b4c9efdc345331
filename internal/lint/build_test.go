package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestBuildWithoutCgo builds all that is not allowed C, with what tests it, as people without a C
// compiler do.
func TestBuildWithoutCgo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything")
	}
	out, err := goCommand("build", "-o", os.DevNull).CombinedOutput()
	if err != nil {
		t.Errorf("CGO_ENABLED=0 go build: %v\n%s", err, out)
	}
}

// goCommand runs the go command without cgo on the packages that do without.
func goCommand(args ...string) *exec.Cmd {
	var pkgs []string
	all, _ := tree()
	for _, f := range all {
		if pkg := "./" + f.pkg; !f.test && !under(f.pkg, cgo...) && !slices.Contains(pkgs, pkg) {
			pkgs = append(pkgs, pkg)
		}
	}
	cmd := exec.Command("go", append(args, pkgs...)...)
	cmd.Dir = filepath.FromSlash(root)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd
}
