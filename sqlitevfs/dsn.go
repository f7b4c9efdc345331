package sqlitevfs

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"hydrant/sqlitevfs/shim"
)

// Params are what a DSN says besides path and source. The zero value says nothing.
type Params struct {
	VFS         string        // registered name, "" for DefaultName
	NoHydrate   bool          // hydrate=off
	Bandwidth   int64         // bytes per second, 0: no cap
	Connections int           // 0: adapts
	Timeout     time.Duration // 0: the default, 30 s
	RegionSize  int64         // bytes, 0: the database's page size
	Memory      bool          // dest=memory
	TrustBoot   bool          // trust=boot
	ReadOnly    bool          // mode=ro

	// More are further parameters: the driver's, like _journal_mode, and SQLite's, like cache.
	More map[string]string
}

// DSN returns the data source name of the clone at path for the driver sqlite3. A source of ""
// is left out. It begins with "file:": without that the driver would lose all parameters without
// a word. Whatever characters path and source have, they arrive.
func DSN(path, source string, params *Params) string {
	var p Params
	if params != nil {
		p = *params
	}
	list := []shim.Param{{Key: "vfs", Value: cmp.Or(p.VFS, DefaultName)}}
	add := func(is bool, key, value string) {
		if is {
			list = append(list, shim.Param{Key: key, Value: value})
		}
	}
	add(source != "", "source", source)
	add(p.NoHydrate, "hydrate", "off")
	add(p.Bandwidth != 0, "bandwidth", strconv.FormatInt(p.Bandwidth, 10))
	add(p.Connections != 0, "connections", strconv.Itoa(p.Connections))
	add(p.Timeout != 0, "timeout", p.Timeout.String())
	add(p.RegionSize != 0, "region-size", strconv.FormatInt(p.RegionSize, 10))
	add(p.Memory, "dest", "memory")
	add(p.TrustBoot, "trust", "boot")
	add(p.ReadOnly, "mode", "ro")
	keys := make([]string, 0, len(p.More))
	for key := range p.More {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		add(true, key, p.More[key])
	}
	return shim.FileURI(path, list...)
}
