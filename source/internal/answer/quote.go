package answer

import (
	"strconv"
	"strings"
)

// maxQuoted bounds what a message repeats of a server's words, in bytes.
const maxQuoted = 200

// Quote quotes what a server said: bounded and on one line.
func Quote(s string) string { return strconv.Quote(cut(s)) }

// OneLine makes a server's own message fit into ours: bounded and on one line.
func OneLine(s string) string {
	return cut(strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " "))
}

func cut(s string) string {
	if len(s) > maxQuoted {
		return s[:maxQuoted] + "…"
	}
	return s
}
