package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// program is a run of one of SQLite's other test programs.
type program struct {
	name string
	argv []string
	env  []string
	// good says, in what the program printed, that all went well. Its first group, if it has one,
	// is the number of errors, of which ignored are none in the column clone.
	good    *regexp.Regexp
	ignored *regexp.Regexp
	// result is what has to be the same in all columns; nil: nothing.
	result *regexp.Regexp
	// db is made a clone of the seed in the column clone.
	db string
}

// programs are short for -quick.
func (c *config) programs() []program {
	src := filepath.Join(c.build, "src")
	times, size := "4", "20"
	if c.quick {
		times, size = "1", "5"
	}
	mptest := func(script, mode string) program {
		argv := []string{c.program("mptester"), "mptest.db", filepath.Join(src, "mptest", script+".test"), "--repeat", times, "--timeout", "60000"}
		if mode != "" {
			argv = append(argv, "--journalmode", mode)
		}
		return program{
			name: strings.TrimSuffix("mptest-"+script+"-"+strings.ToLower(mode), "-"),
			argv: argv,
			good: regexp.MustCompile(`Summary: (\d+) errors out of [1-9]\d* tests`),
			// mptester counts lines in SQLite's log. These are of a clone that is complete, and of
			// a WAL in an SQLite as old as this one.
			ignored: regexp.MustCompile("exists and is not a clone: source= is ignored|this SQLite is older than"),
			db:      "mptest.db",
		}
	}
	list := []program{
		mptest("multiwrite01", "DELETE"), mptest("multiwrite01", "WAL"), mptest("crash01", "DELETE"), mptest("crash01", "WAL"),
	}
	if !c.quick {
		for _, mode := range []string{"PERSIST", "TRUNCATE"} {
			list = append(list, mptest("multiwrite01", mode), mptest("crash01", mode))
		}
		list = append(list, mptest("config01", ""), mptest("config02", ""))
	}
	list = append(list, program{
		name:   "speedtest1",
		argv:   []string{c.program("speedtest1"), "--verify", "--size", size, "speed.db"},
		good:   regexp.MustCompile(`Verification Hash:`),
		result: regexp.MustCompile(`Verification Hash: (.*)`),
		db:     "speed.db",
	}, program{
		name:   "speedtest1-wal",
		argv:   []string{c.program("speedtest1"), "--verify", "--journal", "wal", "--size", size, "speed.db"},
		good:   regexp.MustCompile(`Verification Hash:`),
		result: regexp.MustCompile(`Verification Hash: (.*)`),
		db:     "speed.db",
	})
	if c.quick {
		return list
	}
	list = append(list, program{
		name: "threadtest3",
		argv: []string{c.program("threadtest3")},
		good: regexp.MustCompile(`(\d+) errors out of [1-9]\d* tests`),
		// walthread2 looks for the WAL and the journal by their public names.
		ignored: regexp.MustCompile(`File system looks incorrect \(0, 0\)`),
	})
	corpora, _ := filepath.Glob(filepath.Join(src, "test", "fuzzdata*.db"))
	for _, corpus := range corpora {
		list = append(list, program{
			name: "fuzzcheck-" + filepath.Base(corpus),
			argv: []string{c.program("fuzzcheck"), "--limit-mem", "100M", filepath.Base(corpus)},
			env:  []string{"HYDRANT_SUITE_BARE=1"},
			good: regexp.MustCompile(`fuzzcheck: 0 errors out of [1-9]\d* tests`),
		})
	}
	return list
}

// runProgram runs one in a column. Its result is compared with that of the first column that has
// run it.
func (c *config) runProgram(ctx context.Context, p program, col column) *outcome {
	o := &outcome{file: p.name, column: col.name, tests: 1}
	dir, err := os.MkdirTemp(c.work, p.name+"-")
	if err == nil {
		err = c.prepare(ctx, p, dir)
	}
	if err != nil {
		o.failed, o.detail = []string{"(cannot be prepared)"}, err.Error()
		return o
	}
	if col.name == "clone" && p.db != "" {
		col.env = append(append([]string{}, col.env...), "HYDRANT_DB="+filepath.Join(dir, p.db),
			"HYDRANT_SOURCE="+filepath.Join(dir, seedName), "HYDRANT_BANDWIDTH=1MB")
	}
	col.env = append(append([]string{}, col.env...), p.env...)
	out, why := c.runIn(ctx, col, dir, p.name, 2*c.timeout+time.Minute, p.argv...)
	if !p.went(out, col) {
		if why == "" {
			why = "says nothing of success"
		}
		o.failed, o.detail = []string{"(" + why + ")"}, string(tail([]byte(out), 1500))
	}
	if p.result != nil {
		m := p.result.FindString(out)
		if c.results == nil {
			c.results = map[string]string{}
		}
		if first, ok := c.results[p.name]; !ok {
			c.results[p.name] = m
		} else if first != m {
			o.failed = append(o.failed, "(another result)")
			o.detail += fmt.Sprintf("\n%s, and first it was\n%s", m, first)
		}
	}
	return o
}

// went tells whether a program said that all was well.
func (p *program) went(out string, col column) bool {
	m := p.good.FindStringSubmatch(out)
	if len(m) < 2 {
		return m != nil
	}
	ignored := 0
	if p.ignored != nil && col.name == "clone" {
		ignored = len(p.ignored.FindAllString(out, -1))
	}
	return m[1] == strconv.Itoa(ignored)
}

// seedName is the database that the programs' clones are made of.
const seedName = "seed.db"

// prepare makes the seed, or copies the corpus that is named in argv.
func (c *config) prepare(ctx context.Context, p program, dir string) error {
	if p.db != "" {
		return command(ctx, dir, "sqlite3", seedName, `CREATE TABLE filler(i INTEGER PRIMARY KEY, x);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<4000) INSERT INTO filler SELECT i, hex(randomblob(400)) FROM n;
			DELETE FROM filler WHERE i%3=0`)
	}
	for _, arg := range p.argv {
		from := filepath.Join(c.build, "src", "test", arg)
		if !strings.HasPrefix(arg, "fuzzdata") {
			continue
		}
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, arg), b, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
