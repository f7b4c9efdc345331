package lint

import (
	"slices"
	"strings"
	"testing"
)

// modules says where each third-party module is used. A module that is in no line is not to be
// used; it gets one with the reason for it.
var modules = []struct {
	module string
	in     []string // nil is everywhere
}{
	{"golang.org/x/sys", nil},
	{"golang.org/x/sync", nil},
	{"golang.org/x/time", []string{"source", "clone", "replica"}},

	// Set algebra on copies of the maps.
	{"github.com/bits-and-blooms/bitset", []string{"bitmap", "clone", "replica", "sqlitevfs"}},
	// S3. smithy-go is where the SDK keeps the types of its errors and transports.
	{"github.com/aws/aws-sdk-go-v2", s3},
	{"github.com/aws/smithy-go", s3},
	// The cache of fetched blocks.
	{"github.com/dgraph-io/ristretto/v2", []string{"source/cache"}},
	// The SQLite library itself.
	{"github.com/mattn/go-sqlite3", append([]string{"internal/shopdb"}, cgo...)},
	// Litestream's file format, and the compression in it.
	{"github.com/superfly/ltx", []string{"replica", "source/litestream"}},
	{"github.com/pierrec/lz4/v4", []string{"replica", "source/litestream"}},
	// Sizes for people.
	{"github.com/minio/crc64nvme", []string{"internal/crc"}},
	{"github.com/dustin/go-humanize", []string{"internal/units"}},
	// The command line.
	{"github.com/spf13/cobra", []string{"cmd"}},
	{"github.com/spf13/pflag", []string{"cmd"}},
	{"github.com/schollz/progressbar/v3", []string{"cmd"}},
	{"golang.org/x/term", []string{"cmd"}},
	{"github.com/prometheus/client_golang", []string{"cmd"}},
	// Other ways to serve a clone.
	{"github.com/hanwen/go-fuse/v2", []string{"export/fuse"}},
}

var s3 = []string{"source/s3", "replica", "internal/objstore", "internal/s3test", "internal/s3conform", "e2e", "bench"}

// testModules are for tests, and for packages that are tests' tools (see isTool).
var testModules = []string{
	"pgregory.net/rapid",
	"github.com/rogpeppe/go-internal",
	"github.com/anishathalye/porcupine", // whether a history is linearizable
}

// cgo is where C is allowed.
var cgo = []string{"sqlitevfs", "cmd", "e2e", "bench", "torture", "suite"}

func TestModules(t *testing.T) {
	for _, f := range files(t) {
		for _, imported := range f.imports {
			if problem := checkModule(f, imported); problem != "" {
				t.Errorf("%s: %s %s", f.name, imported, problem)
			}
		}
	}
}

// checkModule returns what is wrong with an import, nothing when it is all right.
func checkModule(f *goFile, imported string) string {
	if _, ok := ours(imported); ok || !isThirdParty(imported) {
		return ""
	}
	if under(imported, testModules...) {
		if f.test || isTool(f.pkg) {
			return ""
		}
		return "is only for tests"
	}
	for _, m := range modules {
		if !under(imported, m.module) {
			continue
		}
		if m.in == nil || under(f.pkg, m.in...) {
			return ""
		}
		return "is only for " + strings.Join(m.in, ", ")
	}
	return "is in no line of modules"
}

// isThirdParty tells a module's path, which begins with a host, from the standard library's.
func isThirdParty(imported string) bool {
	host, _, _ := strings.Cut(imported, "/")
	return strings.Contains(host, ".")
}

// isTool reports whether a package is only used by tests: conformance suites and the like.
func isTool(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || under(pkg, "internal/faultio", "internal/crashdest", "e2e")
}

func TestCgo(t *testing.T) {
	for _, f := range files(t) {
		if slices.Contains(f.imports, "C") && !under(f.pkg, cgo...) {
			t.Errorf("%s: C is only for %s", f.name, strings.Join(cgo, ", "))
		}
	}
}
