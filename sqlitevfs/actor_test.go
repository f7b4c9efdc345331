package sqlitevfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"hydrant/sqlitevfs/internal/sqlapi"
)

// An actor is another process that does to a database what it is told, one line at a time:
//
//	open URI     exec SQL     get SQL     close     kill
//	write NAME N      N commits, see ledger
//	read N            N looks at the ledger
//	churn NAME N URI  N times: open, one look, one commit, close
//
// and answers each line with one: "ok …" or "err CODE TEXT".
type actor struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  chan string // lines; closed when the process has ended
	last string      // what it was told
}

func newActor(t *testing.T, name, acked string) *actor {
	t.Helper()
	a := &actor{t: t, name: name, out: make(chan string, 16)}
	a.cmd = exec.Command(os.Args[0], childPrefix+"actor", acked)
	a.cmd.Stderr = os.Stderr
	var err error
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err == nil {
		err = a.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			a.out <- lines.Text()
		}
		close(a.out)
	}()
	t.Cleanup(a.kill)
	return a
}

// begin tells it to do something, and end returns what came of that.
func (a *actor) begin(format string, args ...any) {
	a.t.Helper()
	a.last = fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(a.in, strings.ReplaceAll(a.last, "\n", " ")); err != nil {
		a.t.Fatalf("%s: %s: %v", a.name, a.last, err)
	}
}

func (a *actor) end() string {
	a.t.Helper()
	select {
	case line, ok := <-a.out:
		if !ok {
			line = "err 0 it has died"
		}
		return line
	case <-time.After(60 * time.Second):
		a.t.Fatalf("%s: %s: no answer", a.name, a.last)
		return ""
	}
}

// try is begin and end.
func (a *actor) try(format string, args ...any) string {
	a.t.Helper()
	a.begin(format, args...)
	return a.end()
}

// do is try of what has to succeed.
func (a *actor) do(format string, args ...any) string {
	a.t.Helper()
	a.begin(format, args...)
	return a.done()
}

// done is end of what has to have succeeded.
func (a *actor) done() string {
	a.t.Helper()
	line := a.end()
	if line != "ok" && !strings.HasPrefix(line, "ok ") {
		a.t.Fatalf("%s: %s: %s", a.name, a.last, line)
	}
	return strings.TrimPrefix(strings.TrimPrefix(line, "ok"), " ")
}

// kill ends it as kill -9 does, wherever it is.
func (a *actor) kill() {
	if a.cmd.ProcessState != nil {
		return
	}
	a.cmd.Process.Kill()
	for range a.out {
	}
	a.cmd.Wait()
}

// actorChild is the other side.
func actorChild(acked string) {
	registerTest()
	p := &player{ledger: openLedger(acked)}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		text, err := p.play(verb, rest)
		var e *sqlapi.Error
		switch {
		case errors.As(err, &e):
			fmt.Printf("err %d %s\n", e.Code, strings.ReplaceAll(err.Error(), "\n", "; "))
		case err != nil:
			fmt.Printf("err 0 %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		default:
			fmt.Println(strings.TrimSpace("ok " + text))
		}
	}
}

// player is an actor in its own process.
type player struct {
	conn   *sqlapi.Conn
	ledger *ledger
	seen   int64
}

func (p *player) play(verb, rest string) (string, error) {
	args := strings.Fields(rest)
	switch verb {
	case "open":
		return "", p.open(rest)
	case "close":
		return "", p.close()
	case "exec":
		return "", p.conn.Exec(rest)
	case "get":
		return p.conn.Text(rest)
	case "kill":
		kill()
	case "write":
		n, err := strconv.Atoi(args[1])
		for i := 0; i < n && err == nil; i++ {
			err = p.commit(args[0], i)
		}
		return "", err
	case "read":
		n, err := strconv.Atoi(args[0])
		for i := 0; i < n && err == nil; i++ {
			err = p.look()
		}
		return "", err
	case "churn":
		n, err := strconv.Atoi(args[1])
		for i := 0; i < n && err == nil; i++ {
			if err = p.open(args[2]); err != nil {
				return "", fmt.Errorf("open, round %d: %w", i, err)
			}
			if err = p.look(); err == nil {
				err = p.commit(args[0], i)
			}
			if err != nil {
				return "", fmt.Errorf("round %d: %w", i, err)
			}
			err = p.close()
		}
		return "", err
	}
	return "", errors.New("what is " + verb)
}

func (p *player) open(uri string) (err error) {
	p.conn, err = sqlapi.Open(uri)
	if err == nil {
		p.conn.BusyTimeout(30000)
	}
	return err
}

func (p *player) close() error {
	err := p.conn.Close()
	p.conn = nil
	return err
}

// ledger is how far the commits have got that were acknowledged, in memory that processes share.
type ledger struct{ acked *int64 }

func openLedger(path string) *ledger {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(err)
	b, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	check(err)
	check(f.Close())
	return &ledger{(*int64)(unsafe.Pointer(&b[0]))}
}

func (l *ledger) get() int64 { return atomic.LoadInt64(l.acked) }

// ack notes that commit n has been acknowledged.
func (l *ledger) ack(n int64) {
	for {
		old := atomic.LoadInt64(l.acked)
		if old >= n || atomic.CompareAndSwapInt64(l.acked, old, n) {
			return
		}
	}
}

// ledgerSchema: each commit raises n by one, notes who it was, and moves money around.
const ledgerSchema = `CREATE TABLE counter(n INT); INSERT INTO counter VALUES(0);
	CREATE TABLE moves(n INTEGER PRIMARY KEY, who TEXT, i INT); CREATE INDEX moveswho ON moves(who, i);
	CREATE TABLE account(id INTEGER PRIMARY KEY, sum INT, pad TEXT);
	WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 400) INSERT INTO account SELECT i, 1000, hex(zeroblob(500)) FROM s;
	CREATE INDEX accountsum ON account(sum)`

// commit is one transaction.
func (p *player) commit(who string, i int) error {
	for _, sql := range []string{
		`BEGIN IMMEDIATE`,
		`UPDATE counter SET n = n+1`,
		fmt.Sprintf(`INSERT INTO moves SELECT n, '%s', %d FROM counter`, who, i),
		fmt.Sprintf(`UPDATE account SET sum = sum-7 WHERE id = (SELECT n*%d%%400+1 FROM counter)`, 31),
		fmt.Sprintf(`UPDATE account SET sum = sum+7 WHERE id = (SELECT n*%d%%400+1 FROM counter)`, 53),
	} {
		if err := p.conn.Exec(sql); err != nil {
			return fmt.Errorf("commit %d: %s: %w", i, sql, err)
		}
	}
	text, err := p.conn.Text(`SELECT n FROM counter`)
	if err != nil {
		return err
	}
	if err := p.conn.Exec(`COMMIT`); err != nil {
		return fmt.Errorf("commit %d: %w", i, err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	p.ledger.ack(n)
	p.seen = max(p.seen, n)
	return err
}

// look reads everything in one transaction. Whatever was acknowledged before is there, nothing
// that was seen has gone, and the books balance.
func (p *player) look() error {
	least := max(p.ledger.get(), p.seen)
	if err := p.conn.Exec(`BEGIN`); err != nil {
		return err
	}
	text, err := p.conn.Text(`SELECT n || ' ' || (SELECT count(*) FROM moves) || ' ' || (SELECT sum(sum) FROM account) || ' ' ||
		(SELECT count(*) FROM account INDEXED BY accountsum WHERE sum IS NOT NULL) || ' ' || (SELECT max(n) FROM moves) FROM counter`)
	if err != nil {
		return fmt.Errorf("look: %w", err)
	}
	again, err := p.conn.Text(`SELECT n FROM counter`)
	if err != nil {
		return fmt.Errorf("look: %w", err)
	}
	if err := p.conn.Exec(`COMMIT`); err != nil {
		return fmt.Errorf("look: %w", err)
	}
	if text == "" { // max(n) of no moves
		return nil
	}
	var n, moves, sum, accounts, last int64
	if _, err := fmt.Sscan(text, &n, &moves, &sum, &accounts, &last); err != nil {
		return err
	}
	if moves != n || last != n || sum != 400*1000 || accounts != 400 || again != fmt.Sprint(n) {
		return fmt.Errorf("inside of one transaction: n %d, %d moves up to %d, sum %d over %d accounts; n again %s", n, moves, last, sum, accounts, again)
	}
	if n < least {
		return fmt.Errorf("%d commits, after %d", n, least)
	}
	p.seen = n
	return nil
}

// crowd is a clone that many processes use.
type crowd struct {
	t      *testing.T
	mode   string
	path   string
	source string
	ledger *ledger
	acked  string
	actors []*actor
}

// newCrowd makes the source, in a journal mode, and no clone yet.
func newCrowd(t *testing.T, mode string, rows int) *crowd {
	t.Helper()
	dir := tempDir(t)
	c := &crowd{t: t, mode: mode, path: filepath.Join(dir, "app.db"), source: filepath.Join(dir, "src.db"), acked: filepath.Join(dir, "acked")}
	makeSource(t, c.source, build{rows: rows, after: []string{ledgerSchema, `PRAGMA journal_mode=` + mode}})
	c.begin()
	return c
}

// begin makes an empty ledger.
func (c *crowd) begin() {
	c.t.Helper()
	if err := os.WriteFile(c.acked, make([]byte, 8), 0o644); err != nil {
		c.t.Fatal(err)
	}
	c.ledger = openLedger(c.acked)
}

// sibling is another clone of the same source.
func (c *crowd) sibling(i int) *crowd {
	c.t.Helper()
	s := &crowd{t: c.t, mode: c.mode, source: c.source, path: fmt.Sprintf("%s.%d", c.path, i), acked: fmt.Sprintf("%s.%d", c.acked, i)}
	s.begin()
	return s
}

// uri opens the clone, making it if it is not there.
func (c *crowd) uri(params *Params) string { return DSN(c.path, c.source, params) }

func (c *crowd) actor(name string) *actor {
	a := newActor(c.t, name, c.acked)
	c.actors = append(c.actors, a)
	return a
}

// opened is an actor that has opened the clone, which hydrates slowly.
func (c *crowd) opened(name string, params *Params) *actor {
	c.t.Helper()
	a := c.actor(name)
	a.do("open %s", c.uri(params))
	return a
}

// start is an actor under way.
func (c *crowd) start(verb string, args ...string) *actor {
	c.t.Helper()
	a := c.opened(verb+" "+args[0], &Params{Bandwidth: 4 << 20})
	a.begin("%s %s", verb, strings.Join(args, " "))
	return a
}

// wait waits for all of them, and closes what they have open.
func (c *crowd) wait() {
	c.t.Helper()
	for _, a := range c.actors {
		if line := a.end(); !strings.HasPrefix(line, "ok") {
			c.t.Errorf("%s: %s: %s", a.name, a.last, line)
		}
	}
	for _, a := range c.actors {
		if strings.HasPrefix(a.last, "churn") {
			continue // it has
		}
		if line := a.try("close"); line != "ok" {
			c.t.Errorf("%s: close: %s", a.name, line)
		}
	}
}

// finish completes the clone and looks at it with plain SQLite.
func (c *crowd) finish() {
	c.t.Helper()
	db := openDSN(c.t, c.uri(nil))
	if fileExists(c.t, c.path+"-hydrant") {
		waitComplete(c.t, db)
	}
	closeDB(c.t, db)
	wantGone(c.t, c.path)
	c.plain()
}

// plain looks at the clone with plain SQLite.
func (c *crowd) plain() {
	c.t.Helper()
	db := openPlain(c.t, c.path)
	defer db.Close()
	if got := get[string](c.t, db, `PRAGMA integrity_check`); got != "ok" {
		c.t.Error(got)
	}
	n, moves := get[int64](c.t, db, `SELECT n FROM counter`), get[int64](c.t, db, `SELECT count(*) FROM moves`)
	if acked := c.ledger.get(); n != moves || n < acked {
		c.t.Errorf("counter %d, %d moves, %d acknowledged", n, moves, acked)
	}
	if got := get[int](c.t, db, `SELECT sum(sum) FROM account`); got != 400*1000 {
		c.t.Errorf("sum %d", got)
	}
	if got, want := get[int](c.t, db, `SELECT count(*) FROM t`), get[int](c.t, openPlain(c.t, c.source), `SELECT count(*) FROM t`); got != want {
		c.t.Errorf("%d rows, want %d", got, want)
	}
}

// expectCommits wants as many commits as were acknowledged, and n.
func (c *crowd) expectCommits(n int64) {
	c.t.Helper()
	db := openDSN(c.t, c.uri(&Params{NoHydrate: true}))
	defer db.Close()
	if got := get[int64](c.t, db, `SELECT n FROM counter`); got != n || c.ledger.get() != n {
		c.t.Errorf("%d commits, %d acknowledged, want %d", got, c.ledger.get(), n)
	}
}
