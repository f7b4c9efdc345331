//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readers are programs that know nothing of clones and are let loose on one. Whatever they say,
// they find no database and change nothing.
var readers = []struct {
	name string
	args []string // DB, and OUT for a name that is free
	says string
}{
	{"shell reads", []string{"sqlite3", "DB", "SELECT count(*) FROM t"}, "file is not a database"},
	{"shell reads read-only", []string{"sqlite3", "-readonly", "DB", "SELECT count(*) FROM t"}, "file is not a database"},
	{"shell reads immutable", []string{"sqlite3", "file:DB?immutable=1", "SELECT count(*) FROM t"}, "file is not a database"},
	{"shell writes", []string{"sqlite3", "DB", "INSERT INTO log(what) VALUES('stranger')"}, "file is not a database"},
	{"shell makes a table", []string{"sqlite3", "DB", "CREATE TABLE stranger(a)"}, "file is not a database"},
	{"shell begins exclusively", []string{"sqlite3", "DB", "BEGIN EXCLUSIVE; COMMIT"}, "file is not a database"},
	{"shell vacuums", []string{"sqlite3", "DB", "VACUUM"}, "file is not a database"},
	{"shell VACUUM INTO", []string{"sqlite3", "DB", "VACUUM INTO 'OUT'"}, "file is not a database"},
	{"shell .backup", []string{"sqlite3", "DB", ".backup OUT"}, "file is not a database"},
	{"shell .dump", []string{"sqlite3", "DB", ".dump"}, "file is not a database"},
	{"shell .restore", []string{"sqlite3", "DB", ".restore SOURCE"}, ""},
	{"shell journal_mode WAL", []string{"sqlite3", "DB", "PRAGMA journal_mode=WAL"}, "file is not a database"},
	{"shell WAL checkpoint", []string{"sqlite3", "DB", "PRAGMA wal_checkpoint(TRUNCATE)"}, ""},
	{"shell integrity_check", []string{"sqlite3", "DB", "PRAGMA integrity_check"}, "file is not a database"},
	{"shell ATTACH", []string{"sqlite3", ":memory:", "ATTACH 'DB' AS a; SELECT count(*) FROM a.t"}, "file is not a database"},
	{"shell opens and leaves", []string{"sqlite3", "DB", ".quit"}, ""},
	{"python reads", []string{"python3", "-c", "import sqlite3; print(sqlite3.connect('DB').execute('SELECT count(*) FROM t').fetchall())"}, "file is not a database"},
	{"python writes", []string{"python3", "-c", "import sqlite3; c=sqlite3.connect('DB'); c.execute('CREATE TABLE stranger(a)'); c.commit()"}, "file is not a database"},
	{"python backup", []string{"python3", "-c", "import sqlite3; sqlite3.connect('DB').backup(sqlite3.connect('OUT'))"}, "file is not a database"},
}

// ARCHITECTURE §4, "Fails closed": sqlite3 plays back a -journal and opens a -wal before it looks
// at the magic, so it must see neither; and then it sees that this is no database.
func TestStrangersThatOpenIt(t *testing.T) {
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := newSituation(t, m.do)
			for _, r := range readers {
				before := prints(t, s.dir)
				free := filepath.Join(t.TempDir(), "out")
				args := make([]string, len(r.args))
				for i, a := range r.args {
					args[i] = strings.NewReplacer("DB", s.db, "OUT", free, "SOURCE", s.source).Replace(a)
				}
				out, _ := exec.Command(args[0], args[1:]...).CombinedOutput()
				if !strings.Contains(string(out), r.says) {
					t.Errorf("%s: it says: %s", r.name, out)
				}
				if after := prints(t, s.dir); after != before {
					t.Errorf("%s: changed from\n%sto\n%s\nit says: %s", r.name, before, after, out)
				}
			}
			s.goesOn(t)
		})
	}
}

// The shell's .recover does not believe in the first bytes: it reads the pages as it finds them, and
// may leave an empty WAL and a new -shm. That does not bother a clone, at rest or in use.
func TestRecoverByTheShell(t *testing.T) {
	atEachMoment(t, func(t *testing.T, s *situation) {
		before := digest(t, s.db)
		_, _ = exec.Command("sqlite3", s.db, ".recover").CombinedOutput()
		if after := digest(t, s.db); after != before {
			t.Error("app.db was changed")
		}
		if st, err := os.Stat(s.db + "-wal"); err == nil && st.Size() > 0 {
			t.Errorf("a WAL of %d bytes is left", st.Size())
		}
		s.goesOn(t)
	})
}

// copiers copy the files of a folder that match a pattern into another one.
var copiers = []struct{ name, script string }{
	{"cp", `cp $FILES "$TO"`},
	{"cp -a", `cp -a $FILES "$TO"`},
	{"tar", `tar cf - $FILES | tar xf - -C "$TO"`},
	{"tar --sparse", `tar cSf - $FILES | tar xf - -C "$TO"`},
	{"rsync", `rsync -a $FILES "$TO"/`},
	{"rsync --sparse", `rsync -a --sparse $FILES "$TO"/`},
	{"rsync --inplace", `rsync -a --inplace --no-whole-file --ignore-times $FILES "$TO"/`},
}

func copyBy(t *testing.T, script, from, files, to string) {
	t.Helper()
	cmd := exec.Command("bash", "-euc", "cd \"$FROM\"; "+script)
	cmd.Env = append(os.Environ(), "FROM="+from, "FILES="+files, "TO="+to)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// elsewhere is a clone's situation after its files were copied into another folder.
func (s *situation) elsewhere(t *testing.T) *situation {
	t.Helper()
	to := *s
	to.dir = filepath.Join(t.TempDir(), "elsewhere")
	to.db = filepath.Join(to.dir, "app.db")
	if err := os.Mkdir(to.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &to
}

// ARCHITECTURE §4, "Guard without state file": app.db alone, at another place, is half a clone and
// says so; the original does not notice.
func TestCopyOfDestAlone(t *testing.T) {
	atEachMoment(t, func(t *testing.T, s *situation) {
		for _, c := range copiers {
			there := s.elsewhere(t)
			copyBy(t, c.script, s.dir, "app.db", there.dir)
			there.refused(t, there.db, "app.db-hydrant", "put that back", "clone again")
		}
		s.goesOn(t)
	})
}

// ARCHITECTURE §4, "other inode → it is a copy: accepted only if closed cleanly": all files, at
// another place, are a clone of their own, or are refused and say what to do.
func TestCopyOfEverything(t *testing.T) {
	for _, files := range []string{"app.db app.db-hydrant", "app.db*"} {
		t.Run(files, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				clean := len(sides(t, s)) == 0 && !s.completing
				for _, c := range copiers {
					there := s.elsewhere(t)
					copyBy(t, c.script, s.dir, files, there.dir)
					if clean {
						oracle := there.oracle + fmt.Sprint(len(there.dir))
						copyFile(t, oracle, s.oracle)
						there.oracle = oracle
						hydrant(t, "verify", there.db)
						hydrant(t, "sql", there.db, "INSERT INTO log(what) VALUES ('a branch of its own')")
						shell(t, oracle, "INSERT INTO log(what) VALUES ('a branch of its own')")
						there.completing = true // it may be, by now
						there.goesOn(t)
					} else {
						there.refusedBut(t, []string{"status"}, there.db, "copy of a clone that was in use")
					}
				}
				s.goesOn(t)
			})
		})
	}
}

// sides are the side files of a clone that was not closed.
func sides(t *testing.T, s *situation) []string {
	t.Helper()
	list, err := filepath.Glob(s.db + "-hydrant-*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Everything copied away and, nothing having happened since, back over the original by any means:
// either it goes on as if nothing had happened, or, where the files are others now and it was in
// use, it is refused.
func TestThereAndBackAgain(t *testing.T) {
	atEachMoment(t, func(t *testing.T, s *situation) {
		for _, c := range copiers {
			there := s.elsewhere(t)
			copyBy(t, c.script, s.dir, "app.db*", there.dir)
			copyBy(t, c.script, there.dir, "app.db*", s.dir)
			if out, err := run("sql", s.db, "SELECT count(*) FROM t"); err != nil {
				if strings.Count(out, "\n") != 1 || !strings.Contains(out, "copy of a clone that was in use") {
					t.Fatalf("%s: it says: %s", c.name, out)
				}
				return // other inodes now, for good
			}
		}
		s.goesOn(t)
	})
}

// laterOn is what happens to a clone between the taking of a backup and its restoring: more is
// hydrated, more is written.
func laterOn(t *testing.T, s *situation) {
	t.Helper()
	hydrant(t, "sql", s.db, committed+`; UPDATE t SET b = 'later', c = zeroblob(100) WHERE id BETWEEN 900 AND 960`)
	shell(t, s.oracle, committed+`; UPDATE t SET b = 'later', c = zeroblob(100) WHERE id BETWEEN 900 AND 960`)
}

// A backup of one of the two files, taken at an earlier moment, put beside the newer other one: by
// cp, which leaves the inode, and by mv, which does not. What they would make together never was.
func TestFilesOfDifferentMoments(t *testing.T) {
	for _, file := range []string{"app.db", "app.db-hydrant"} {
		for _, how := range []string{"cp", "mv", "everything else is copied too"} {
			t.Run(file+" by "+how, func(t *testing.T) {
				atEachMoment(t, func(t *testing.T, s *situation) {
					if s.completing {
						t.Skip("there is no later for a clone that is completed at the next touch")
					}
					backup := filepath.Join(t.TempDir(), "backup")
					runScript(t, `cp -a "$1" "$2"`, filepath.Join(s.dir, file), backup)
					laterOn(t, s)
					now := s.elsewhere(t)
					copyBy(t, `cp -a $FILES "$TO"`, s.dir, "app.db*", now.dir)
					switch how {
					case "cp":
						runScript(t, `cp "$2" "$1"`, filepath.Join(s.dir, file), backup)
					case "mv":
						runScript(t, `mv "$2" "$1"`, filepath.Join(s.dir, file), backup)
					default:
						runScript(t, `cp "$2" "$1"`, filepath.Join(now.dir, file), backup)
						now.refusedBut(t, []string{"status"}, now.db, now.db+"-hydrant")
						s.goesOn(t)
						return
					}
					s.refusedBut(t, []string{"status"}, s.db, s.db+"-hydrant")
					// What belongs together, brought together: all is well.
					runScript(t, `cp "$2" "$1"`, filepath.Join(s.dir, file), filepath.Join(now.dir, file))
					if how == "mv" && len(sides(t, s)) > 0 {
						return
					}
					s.goesOn(t)
				})
			})
		}
	}
}

// ARCHITECTURE §4, "guard of another uuid, state with another dest": refused, naming both files.
func TestFilesOfAnotherClone(t *testing.T) {
	for _, file := range []string{"app.db", "app.db-hydrant"} {
		t.Run(file, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				other := newSituation(t, func(*testing.T, *situation) {})
				kept := filepath.Join(t.TempDir(), "kept")
				runScript(t, `mv "$1" "$2"; cp "$3" "$1"`, filepath.Join(s.dir, file), kept, filepath.Join(other.dir, file))
				s.refusedBut(t, []string{"status", "clone"}, s.db, s.db+"-hydrant")
				runScript(t, `mv "$2" "$1"`, filepath.Join(s.dir, file), kept)
				s.goesOn(t)
			})
		})
	}
}

// app.db replaced by, or turned into, something that it is not.
func TestDestReplaced(t *testing.T) {
	for _, r := range []struct{ name, script, says string }{
		{"an empty file by >", `: > "$DB"`, ""},
		{"an empty file by mv", `: > "$DB".x; mv "$DB".x "$DB"`, ""},
		{"a plain database by cp", `cp "$SOURCE" "$DB"`, "was replaced"},
		{"a plain database by mv", `cp "$SOURCE" "$DB".x; mv "$DB".x "$DB"`, "was replaced"},
		{"a database by rsync --inplace", `rsync --inplace --no-whole-file --ignore-times "$SOURCE" "$DB"`, "was replaced"},
		{"a text by >", `echo hello > "$DB"`, ""},
		{"cut to half", `truncate -s 1M "$DB"`, "cut short"},
		{"cut to a page", `truncate -s 4096 "$DB"`, "cut short"},
		{"cut by a byte", `truncate -s $(($(stat -c %s "$SOURCE") - 1)) "$DB"`, "cut short"},
		{"cut to its guard", `truncate -s 16 "$DB"`, "cut short"},
		{"zeros in its guard", `dd if=/dev/zero of="$DB" bs=16 count=1 conv=notrunc status=none`, "was replaced"},
		{"deleted", `rm "$DB"`, "missing"},
		{"a folder", `rm "$DB"; mkdir "$DB"`, ""},
	} {
		t.Run(r.name, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				kept := filepath.Join(t.TempDir(), "kept")
				keep(t, r.script, s.db, kept)
				cmd := exec.Command("bash", "-euc", r.script)
				cmd.Env = append(os.Environ(), "DB="+s.db, "SOURCE="+s.source)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if s.completing && !strings.Contains(r.script, "rm") {
					return // nothing of the state is applied any more; see TestCompletingReplaced
				}
				if r.name == "a folder" {
					s.notUsed(t)
				} else {
					s.refusedBut(t, []string{"status"}, s.db, s.db+"-hydrant", r.says)
				}
				putBack(t, r.script, s.db, kept)
				s.goesOn(t)
			})
		})
	}
}

// keep keeps a file that a script is about to spoil, and putBack puts it back: the file itself, when
// the script is one that leaves its inode alone, or else what was in it.
func keep(t *testing.T, script, path, kept string) {
	t.Helper()
	if leavesInode(script) {
		runScript(t, `ln "$1" "$2"`, path, kept)
		return
	}
	runScript(t, `cp --sparse=always -a "$1" "$2"`, path, kept)
}

func putBack(t *testing.T, script, path, kept string) {
	t.Helper()
	if leavesInode(script) {
		runScript(t, `rm -rf "$1"; mv "$2" "$1"`, path, kept)
		return
	}
	runScript(t, `cp --sparse=always "$2" "$1"`, path, kept)
}

func leavesInode(script string) bool {
	return strings.Contains(script, "mv ") || strings.Contains(script, "rm ")
}

// notUsed is refused without looking into what is there.
func (s *situation) notUsed(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"sql", s.db, "SELECT count(*) FROM t"}, {"hydrate", s.db}, {"clone", s.source, s.db}} {
		if out, err := run(args...); err == nil || strings.Count(out, "\n") != 1 {
			t.Errorf("hydrant %s: %v, it says: %s", strings.Join(args, " "), err, out)
		}
	}
}

// The state file deleted, emptied, cut, overwritten: refused, and with it back all goes on.
func TestStateReplaced(t *testing.T) {
	for _, r := range []struct{ name, script string }{
		{"deleted", `rm "$ST"`},
		{"empty", `rm "$ST"; : > "$ST"`},
		{"a text", `rm "$ST"; echo hello > "$ST"`},
		{"a folder", `rm "$ST"; mkdir "$ST"`},
		{"cut", `truncate -s 8192 "$ST"`},
		{"cut to a superblock", `truncate -s 4096 "$ST"`},
		{"zeros in front", `dd if=/dev/zero of="$ST" bs=8192 count=1 conv=notrunc status=none`},
		{"zeros in all of it", `truncate -s 0 "$ST"; truncate -s 100000 "$ST"`},
	} {
		t.Run(r.name, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				st := s.db + "-hydrant"
				kept := filepath.Join(t.TempDir(), "kept")
				keep(t, r.script, st, kept)
				cmd := exec.Command("bash", "-euc", r.script)
				cmd.Env = append(os.Environ(), "ST="+st)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				s.refused(t, st)
				putBack(t, r.script, st, kept)
				s.goesOn(t)
			})
		})
	}
}

// ARCHITECTURE §4, "Creation refuses when a public -wal or -journal lies there".
func TestSideFilesBeforeCreation(t *testing.T) {
	for _, suffix := range []string{"-wal", "-journal", "-hydrant-wal", "-hydrant-journal"} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			from, err := shop()
			if err != nil {
				t.Fatal(err)
			}
			db := filepath.Join(dir, "app.db")
			staleSide(t, suffix[strings.LastIndex(suffix, "-"):], db+suffix)
			before := prints(t, dir)
			for _, args := range [][]string{{"clone", from, db}, {"clone", "--no-hydrate", from, db}, {"sql", "--source", from, db, "SELECT 1 FROM t"}} {
				out, err := run(args...)
				if err == nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, db+suffix) || !strings.Contains(out, "move") {
					t.Errorf("%v, it says: %s", err, out)
				}
			}
			if after := prints(t, dir); after != before {
				t.Errorf("changed from\n%sto\n%s", before, after)
			}
			runScript(t, `rm "$1"`, db+suffix)
			hydrant(t, "clone", from, db)
			if got, want := readFile(t, db), readFile(t, from); string(got) != string(want) {
				t.Error("the clone has other bytes than the source")
			}
		})
	}
}

// A -wal or -journal of another database, put beside an incomplete clone, would be played back by
// SQLite as soon as the clone is complete. It must not complete before that is moved away.
func TestSideFilesPutThere(t *testing.T) {
	for _, suffix := range []string{"-wal", "-journal", "-shm"} {
		t.Run(suffix, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				if s.completing {
					t.Skip("in phase completing a public name may be ours")
				}
				if suffix == "-shm" {
					if err := os.WriteFile(s.db+suffix, []byte(strings.Repeat("stale!!!", 4096)), 0o644); err != nil {
						t.Fatal(err)
					}
					s.goesOn(t)
					return
				}
				staleSide(t, suffix, s.db+suffix)
				before := digest(t, s.db+suffix)
				// All of it can be used; it cannot be completed.
				if got := hydrant(t, "sql", s.db, "PRAGMA integrity_check"); got != "ok\n" {
					t.Fatalf("cold: integrity_check: %s", got)
				}
				out, err := run("hydrate", s.db)
				if err == nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, s.db+suffix) || !strings.Contains(out, "move") {
					t.Errorf("%v, it says: %s", err, out)
				}
				if got := hydrant(t, "sql", s.db, "PRAGMA integrity_check"); got != "ok\n" {
					t.Fatalf("all here: integrity_check: %s", got)
				}
				refusedByShellBytes(t, s)
				if after := digest(t, s.db+suffix); after != before {
					t.Errorf("%s was changed", s.db+suffix)
				}
				runScript(t, `mv "$1" "$2"`, s.db+suffix, filepath.Join(t.TempDir(), "away"))
				s.goesOn(t)
			})
		})
	}
}

// refusedByShellBytes checks that dest bears a guard.
func refusedByShellBytes(t *testing.T, s *situation) {
	t.Helper()
	if front := readFile(t, s.db)[:8]; string(front) != "hydrant\n" {
		t.Errorf("app.db begins with %q", front)
	}
}

// staleSide makes a WAL or journal of another database, one that SQLite would play back.
func staleSide(t *testing.T, suffix, to string) {
	t.Helper()
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	from, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, other, from)
	mode := map[string]string{"-wal": "WAL", "-journal": "DELETE"}[suffix]
	killed(t, "plain", mode, other)
	runScript(t, `mv "$1" "$2"`, other+suffix, to)
}

func runScript(t *testing.T, script string, args ...string) {
	t.Helper()
	out, err := exec.Command("bash", append([]string{"-euc", script, "bash"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", script, args, err, out)
	}
}

// run runs the command and returns all that it prints.
func run(args ...string) (string, error) {
	out, err := exec.Command(filepath.Join("..", ".build", "hydrant"), args...).CombinedOutput()
	return string(out), err
}
