package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A mutation is one deliberate breakage.
type mutation struct {
	// name says what is wrong with the code when it is applied.
	name string
	// file is the path of the file from the top of the module.
	file string
	// old is the text that is replaced; it occurs once in the file.
	old string
	// new is what comes in its place. The result compiles.
	new string
	// pkg is the directory of the package whose tests must notice; tests, a regular expression, says
	// which.
	pkg, tests string
}

// all is every mutation, in the order in which they are run.
func all() []mutation {
	var m []mutation
	m = append(m, orders...)
	m = append(m, crashes...)
	m = append(m, engine...)
	m = append(m, sides...)
	m = append(m, readers...)
	m = append(m, adapter...)
	m = append(m, early...)
	return m
}

// top is the directory of the module, seen from this package's tests.
const top = "../.."

// apply returns the text of m's file with m in it.
func (m mutation) apply() (string, error) {
	b, err := os.ReadFile(filepath.Join(top, m.file))
	if err != nil {
		return "", err
	}
	text := string(b)
	if n := strings.Count(text, m.old); n != 1 {
		return "", fmt.Errorf("%s: the text to replace occurs %d times", m.file, n)
	}
	return strings.Replace(text, m.old, m.new, 1), nil
}
