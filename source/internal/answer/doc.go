// Package answer checks what an HTTP server says to a request for a range, for every source that
// speaks HTTP. A server is not trusted: each thing it says is compared with what was asked, and
// what it does wrong becomes an error of package source, of the right kind.
package answer
