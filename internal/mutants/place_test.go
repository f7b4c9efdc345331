package mutants

import (
	"regexp"
	"testing"
)

// TestEachHasItsPlace keeps the table in step with the code.
func TestEachHasItsPlace(t *testing.T) {
	names := map[string]bool{}
	for _, m := range all() {
		if _, err := m.apply(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if m.old == m.new {
			t.Errorf("%s: changes nothing", m.name)
		}
		if _, err := regexp.Compile(m.tests); err != nil || m.tests == "" {
			t.Errorf("%s: tests %q: %v", m.name, m.tests, err)
		}
		if names[m.name] {
			t.Errorf("%s: twice in the table", m.name)
		}
		names[m.name] = true
	}
}
