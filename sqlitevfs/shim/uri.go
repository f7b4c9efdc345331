package shim

import (
	"fmt"
	"strings"
)

// Param is one parameter of a URI.
type Param struct{ Key, Value string }

// FileURI returns the URI by which SQLite opens the database at path with these parameters.
func FileURI(path string, params ...Param) string {
	var b strings.Builder
	b.WriteString("file:")
	if strings.HasPrefix(path, "//") {
		b.WriteString("//") // an empty authority, or the path would be read as one
	}
	escape(&b, path, "/")
	for i, p := range params {
		b.WriteByte("?&"[min(i, 1)])
		escape(&b, p.Key, "")
		b.WriteByte('=')
		escape(&b, p.Value, "/:")
	}
	return b.String()
}

// escape writes s so that SQLite, which reads + as it stands, and Go drivers, which read it as a
// space, agree on what it means.
func escape(b *strings.Builder, s, safe string) {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~"+safe, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}
