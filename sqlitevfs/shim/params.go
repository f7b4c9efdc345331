package shim

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hydrant/clone"
	"hydrant/internal/units"
)

// params is what a URI, and the environment behind it, say about a database.
type params struct {
	source     string
	knobs      clone.Knobs
	regionSize int64
	memory     bool // dest=memory
	trustBoot  bool // trust=boot
	immutable  bool
	engine     uint64 // of our own connections: the engine that they belong to

	unsupported error // what asks for something that is not built yet: counts on a plain file too
	wrong       error // what is wrong otherwise: counts with source=, or on a clone
}

// engineKey marks connections of our own.
const engineKey = "_hydrant"

// sqliteKeys are the parameters that belong to SQLite, to its other VFSes and extensions.
var sqliteKeys = []string{
	"vfs", "mode", "cache", "psow", "nolock", "immutable", "modeof", "readonly_shm", "8_3_names",
	"key", "hexkey", "textkey", "cipher", "checksum", "filename",
}

// ourKeys are the parameters that the environment can give too, as HYDRANT_<KEY>.
var ourKeys = []string{
	"hydrate", "bandwidth", "connections", "timeout", "region-size", "dest", "trust",
	"at", "follow", "sync", "replica",
}

// parseURI reads the parameters of a URI. Nothing is an error here: whether it matters depends on
// what the database is.
func parseURI(pairs iter.Seq2[string, string]) *params {
	p := &params{}
	for key, value := range pairs {
		p.set(key, value)
	}
	return p
}

// parseEnv lays the environment under what the URI said.
func (p *params) parseEnv(pairs iter.Seq2[string, string], getenv func(string) string) {
	said := map[string]bool{}
	for key := range pairs {
		said[key] = true
	}
	for _, key := range ourKeys {
		name := "HYDRANT_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		if value := getenv(name); value != "" && !said[key] {
			p.set(key, value)
		}
	}
}

// envSource is the source that the environment names for the database at path, "" for none.
func envSource(path string, getenv func(string) string) string {
	db, src := getenv("HYDRANT_DB"), getenv("HYDRANT_SOURCE")
	if db == "" || src == "" {
		return ""
	}
	abs, err := filepath.Abs(db)
	if err != nil {
		return ""
	}
	if abs != path {
		real, err := filepath.EvalSymlinks(abs)
		if errors.Is(err, os.ErrNotExist) {
			real, err = filepath.EvalSymlinks(filepath.Dir(abs))
			real = filepath.Join(real, filepath.Base(abs))
		}
		if err != nil || real != path {
			return ""
		}
	}
	return src
}

func (p *params) set(key, value string) {
	var err error
	switch key {
	case "source":
		p.source = value
	case "hydrate":
		p.knobs.Hydration, err = pointer(units.ParseSwitch(value))
	case "bandwidth":
		p.knobs.Bandwidth, err = pointer(units.ParseRate(value))
	case "connections":
		p.knobs.Connections, err = pointer(strconv.Atoi(value))
	case "timeout":
		p.knobs.Timeout, err = pointer(units.ParseDuration(value))
	case "region-size":
		p.regionSize, err = units.ParseSize(value)
	case "dest":
		if p.memory = value == "memory"; !p.memory && value != "file" {
			err = fmt.Errorf("%q: want file or memory", value)
		}
	case "trust":
		if p.trustBoot = value == "boot"; !p.trustBoot && value != "mount" {
			err = fmt.Errorf("%q: want mount or boot", value)
		}
	case "sync", "follow", "at", "replica":
		if !slices.Contains([]string{"", "off", "0", "no", "false"}, strings.ToLower(value)) {
			p.unsupported = errors.Join(p.unsupported, fmt.Errorf("%s=%s is not supported yet", key, value))
		}
	case "immutable":
		p.immutable, _ = units.ParseSwitch(value)
	case engineKey:
		p.engine, _ = strconv.ParseUint(value, 10, 64)
	default:
		if !strings.HasPrefix(key, "_") && !slices.Contains(sqliteKeys, key) {
			err = errors.New("is not a parameter that we know")
		}
	}
	if err != nil {
		p.wrong = errors.Join(p.wrong, fmt.Errorf("%s: %w", key, err))
	}
}

func pointer[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// timeout bounds the opening of a clone, which in making one asks the source.
func (p *params) timeout() time.Duration {
	if t := p.knobs.Timeout; t != nil && *t > 0 {
		return *t
	}
	return clone.DefaultTimeout
}
