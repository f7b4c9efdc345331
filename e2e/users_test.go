//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/sqlitevfs"
	"hydrant/torture"
)

// Users that nobody is, and a group that two of them are in.
const (
	alice, bob = "61001", "61002"
	together   = "61000"
)

// asUser is the command that runs another one as somebody.
func asUser(uid string, groups ...string) []string {
	list := []string{"setpriv", "--reuid=" + uid, "--regid=" + uid, "--clear-groups", "--inh-caps=-all"}
	if len(groups) > 0 {
		list[3] = "--groups=" + strings.Join(groups, ",")
	}
	return list
}

// publicDir is a folder that everybody may look into, with the programs in it.
func publicDir(t *testing.T) (dir, hydrant, self string) {
	t.Helper()
	needsRoot(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("no setpriv")
	}
	dir, err := os.MkdirTemp("", "hydrant-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for d := dir; strings.HasPrefix(filepath.Base(d), "hydrant-e2e-"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	hydrant, self = filepath.Join(dir, "hydrant"), filepath.Join(dir, "self")
	runScript(t, `cp "$1" "$2"; cp "$3" "$4"; chmod 755 "$2" "$4"`, filepath.Join("..", ".build", "hydrant"), hydrant, os.Args[0], self)
	return dir, hydrant, self
}

// asked is what somebody does with a clone that is not his own, who may not do everything.
type asked struct {
	t       *testing.T
	s       *situation
	hydrant string
	uid     string // "": we do
}

func (a *asked) run(args ...string) (string, error) {
	full := append([]string{a.hydrant}, args...)
	if a.uid != "" {
		full = append(asUser(a.uid), full...)
	}
	out, err := exec.Command(full[0], full[1:]...).CombinedOutput()
	return string(out), err
}

// does demands that nothing changes over f but what SQLite keeps in shared memory.
func (a *asked) does(f func()) {
	a.t.Helper()
	look := func() string {
		var lines []string
		for _, l := range strings.Split(prints(a.t, a.s.dir), "\n") {
			if !strings.HasPrefix(l, "app.db-shm ") {
				lines = append(lines, l)
			}
		}
		return strings.Join(lines, "\n")
	}
	before := look()
	f()
	if after := look(); after != before {
		a.t.Errorf("changed from\n%sto\n%s", before, after)
	}
}

// refused demands that each verb is refused in a line with these words in it.
func (a *asked) refused(verbs [][]string, words ...string) {
	a.t.Helper()
	for _, args := range verbs {
		out, err := a.run(args...)
		if err == nil || strings.Count(out, "\n") != 1 {
			a.t.Errorf("hydrant %s: %v, it says: %s", args[0], err, out)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				a.t.Errorf("hydrant %s does not say %q: %s", args[0], w, out)
			}
		}
	}
}

// answers demands that each of the statements is answered as it is by the oracle.
func (a *asked) answers(statements ...string) {
	a.t.Helper()
	for _, sql := range statements {
		out, err := a.run("sql", a.s.db, sql)
		if want := shell(a.t, a.s.oracle, sql); err != nil || out != want {
			a.t.Errorf("hydrant sql: %v, it says: %s, want %s", err, out, want)
		}
	}
}

// readsOnly demands of who may not write that he reads what is certain, if he may do that, and that
// all else is refused in these words.
func (a *asked) readsOnly(moment string, reads bool, words ...string) {
	a.t.Helper()
	s := a.s
	reading := [][]string{{"sql", s.db, "SELECT count(*) FROM t"}}
	verify := [][]string{{"verify", s.db}}
	a.refused([][]string{
		{"sql", s.db, committed}, {"hydrate", s.db}, {"detach", s.db}, {"clone", s.source, s.db},
		{"clone", "--no-hydrate", s.source, s.db}, {"clone", "--if-not-exists", s.source, s.db},
	}, words...)
	switch {
	case !reads, s.completing:
		a.refused(append(reading, verify...), words...)
		return
	case strings.HasSuffix(moment, "hot journal"):
		a.refused(reading, append(words, "readonly")...) // as by SQLite itself
	default:
		a.answers("SELECT count(*), sum(id) FROM t", "PRAGMA integrity_check")
	}
	switch out, err := a.run("verify", s.db); {
	case err == nil && strings.Contains(out, " 0 differing"):
	case a.uid == "" && len(sides(a.t, s)) > 0: // another mount: what was never synced need not be known
	default:
		a.t.Errorf("hydrant verify: %v, it says: %s", err, out)
	}
}

// Who may not do what a clone needs is told so, and takes it for no ordinary file. Who may read it
// does that, and is refused what is left for those who may write: what a crash left half done.
func TestPermissions(t *testing.T) {
	for _, p := range []struct {
		name, script string
		reads        bool
		words        []string
	}{
		{"nothing is his", `chmod 755 .; chmod 644 *`, true, []string{"app.db-hydrant: permission denied"}},
		{"state file not readable", `chmod 777 .; chmod 666 *; chmod 600 app.db-hydrant`, false, []string{"app.db-hydrant: permission denied"}},
		{"state file not writable", `chmod 777 .; chmod 666 *; chmod 644 app.db-hydrant`, true, []string{"app.db-hydrant: permission denied"}},
		{"app.db not writable", `chmod 777 .; chmod 666 *; chmod 644 app.db`, true, []string{"app.db: permission denied"}},
		{"app.db not readable", `chmod 777 .; chmod 666 *; chmod 600 app.db`, false, []string{"app.db: permission denied"}},
		{"folder not searchable", `chmod 666 *; chmod 700 .`, false, []string{"permission denied"}},
	} {
		t.Run(p.name, func(t *testing.T) {
			dir, bin, _ := publicDir(t)
			for _, m := range moments {
				t.Run(m.name, func(t *testing.T) {
					s := newSituationIn(t, dir, m.do)
					runScript(t, `cd "$1"; `+p.script, s.dir)
					a := &asked{t, s, bin, alice}
					a.does(func() { a.readsOnly(m.name, p.reads, p.words...) })
					runScript(t, `cd "$1"; chmod 755 .; chmod 644 *`, s.dir)
					s.goesOn(t)
				})
			}
		})
	}
}

// Who may write both files and make none beside them reads all of it, and is told what does not go;
// who may do that finishes it.
func TestFolderNotWritable(t *testing.T) {
	for _, script := range []string{`chmod 666 *; chmod 755 .`, `chmod 666 *; chmod 1777 .`} {
		t.Run(script, func(t *testing.T) {
			dir, bin, _ := publicDir(t)
			for _, m := range moments {
				t.Run(m.name, func(t *testing.T) {
					s := newSituationIn(t, dir, m.do)
					runScript(t, `cd "$1"; `+script, s.dir)
					a := &asked{t, s, bin, alice}
					for _, args := range [][]string{
						{"sql", s.db, "SELECT count(*), sum(id) FROM t"}, {"sql", s.db, "PRAGMA integrity_check"}, {"verify", s.db},
						{"hydrate", s.db}, {"sql", s.db, "SELECT count(*), sum(id) FROM t"}, {"detach", s.db}, {"sql", s.db, "PRAGMA integrity_check"},
					} {
						out, err := a.run(args...)
						if args[0] == "hydrate" && strings.HasSuffix(m.name, "hot journal") && (err == nil || !strings.Contains(out, "app.db-hydrant-journal")) {
							t.Errorf("with a journal that may not be taken away: %v: %s", err, out)
						}
						t.Logf("%s: %v: %s", args[0], err, out)
						switch {
						case strings.Count(out, "\n") != 1 && args[0] == "sql", err != nil && strings.Count(out, "\n") != 1:
							t.Errorf("hydrant %s: %v: more than a line: %s", args[0], err, out)
						case err == nil && strings.Contains(args[len(args)-1], "integrity") && out != "ok\n":
							t.Errorf("integrity_check: %s", out)
						case err == nil && strings.Contains(args[len(args)-1], "sum(id)") && out != shell(t, s.oracle, args[len(args)-1]):
							t.Errorf("wrong answer: %s", out)
						}
					}
					runScript(t, `cd "$1"; chmod 755 .`, s.dir)
					s.completing = true
					s.goesOn(t)
				})
			}
		})
	}
}

// Two users of a group share a clone in a folder of that group, and one of them completes it.
func TestGroup(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			dir, bin, self := publicDir(t)
			app := filepath.Join(dir, "app")
			db := filepath.Join(app, "app.db")
			c := newCrew(t, 4000)
			source := filepath.Join(dir, "source.db")
			copyFile(t, source, c.source)
			runScript(t, `mkdir "$1"; chown `+alice+`:`+together+` "$1"; chmod 2775 "$1"`, app)
			as := func(uid string, args ...string) []string {
				return append(asUser(uid, together), append([]string{"bash", "-euc", `umask 002; exec "$@"`, "bash"}, args...)...)
			}
			do := func(uid string, args ...string) {
				t.Helper()
				full := as(uid, append([]string{bin}, args...)...)
				output(t, full[0], full[1:]...)
			}
			do(alice, "clone", "--no-hydrate", source, db)
			runScript(t, `chmod g+w "$1"/*`, app)
			do(bob, "sql", db, "PRAGMA journal_mode="+mode)
			dsn := sqlitevfs.DSN(db, "", &sqlitevfs.Params{Bandwidth: 300 << 10, More: map[string]string{"_busy_timeout": "10000"}})
			// The program itself lies where they may not look.
			wrap := func(uid string) []string {
				return append(asUser(uid, together), "bash", "-euc", `umask 002; self=$1; shift 2; exec "$self" "$@"`, "bash", self)
			}
			first := c.join(torture.RoleWriter, 0, dsn, wrap(alice), "PRAGMA synchronous=FULL")
			c.join(torture.RoleWriter, 1, dsn, wrap(bob), "PRAGMA synchronous=FULL")
			c.more(10, 0, 1)
			first.Kill()
			c.more(5, 1)
			c.join(torture.RoleWriter, 0, dsn, wrap(alice), "PRAGMA synchronous=FULL")
			c.more(5, 0, 1)
			do(bob, "tune", db, "bandwidth=0")
			completed(t, db)
			c.more(5, 0, 1)
			c.leave()
			c.check(torture.RoleCheck, sqlitevfs.DSN(db, "", &sqlitevfs.Params{VFS: "unix"}))
			nothingLeft(t, db)
			if got := output(t, "stat", "-c", "%u %g %a", db); got != fmt.Sprintf("%s %s 664\n", alice, together) {
				t.Errorf("owner, group and mode are %s", got)
			}
		})
	}
}
