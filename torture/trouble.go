package torture

import (
	"errors"

	"github.com/mattn/go-sqlite3"
)

// code is SQLite's extended result code of an error, 0 for none.
func code(err error) int {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return 0
	}
	if e.ExtendedCode != 0 {
		return int(e.ExtendedCode)
	}
	return int(e.Code)
}

// primary is the result code without what is added to it.
func primary(code int) sqlite3.ErrNo { return sqlite3.ErrNo(code & 0xff) }

// isBusy tells what comes of several connections and no fault at all.
func isBusy(code int) bool {
	return primary(code) == sqlite3.ErrBusy || primary(code) == sqlite3.ErrLocked
}

// mayFail tells what SQLite may answer when the source, the disk or the kernel fails. Anything
// else, like a malformed database, must never come.
func mayFail(code int) bool {
	switch primary(code) {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrIoErr, sqlite3.ErrFull, sqlite3.ErrNomem,
		sqlite3.ErrInterrupt, sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrProtocol, sqlite3.ErrPerm:
		return true
	}
	return false
}
