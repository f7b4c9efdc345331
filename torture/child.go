package torture

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
)

// childMark is the first argument of a program that runs as a child. The second is its Spec.
const childMark = "torture-child"

// The roles of a child.
const (
	RoleWriter   = "writer"   // runs the transactions of an owner, one after the other
	RoleReader   = "reader"   // checks what holds in every state
	RoleObserver = "observer" // does what the command does: status, tune, verify
	RoleCheck    = "check"    // holds the database against the oracle, and ends
	RoleFinish   = "finish"   // the same, completes the clone and detaches it
	RoleBlob     = "blob"     // writes and reads bytes through the engine
	RoleBlobRead = "blobread" // reads all bytes into a file, perhaps completes the clone, and ends
)

// Spec says what a child does.
type Spec struct {
	Role    string
	Shape   Shape
	DSN     string   // of the database, for the driver sqlite3
	Path    string   // of the file, for who opens it as a file
	Source  string   // URL
	Owner   int      // writer, blob
	Pragmas []string // run on each new connection
	Seed    uint64   // of what is not in the Shape: pauses, reopening
	Pause   int      // longest pause between transactions, in milliseconds
	Light   bool     // reader, observer: leave alone what is not here yet, as far as can be
	Reopen  int      // close and open again after about so many transactions, 0: never

	Oracle string        // check, finish: the database that is replayed into
	Low    [Owners]int64 // … and what commits have to be there at least
	High   [Owners]int64 // … and at most
	Image  string        // blobread: the file to write
	Finish bool          // blobread: complete the clone
	Blob   BlobShape

	Hydration *bool // blob, blobread: the clone's knobs
	Bandwidth int64
	Timeout   time.Duration
}

// Event is what a child says, a line of JSON each.
type Event struct {
	What string         // see below
	Seq  int64          `json:",omitempty"`
	Text string         `json:",omitempty"`
	Code int            `json:",omitempty"` // SQLite's extended result code
	Rows int64          `json:",omitempty"`
	Seqs *[Owners]int64 `json:",omitempty"`
}

// What events say.
const (
	SaidHello   = "hello"   // the child runs
	SaidStart   = "start"   // a writer finds Seq as its last commit
	SaidAck     = "ack"     // the commit of Seq was answered, or was found after trouble
	SaidTrouble = "trouble" // something failed that may fail: Code, Text
	SaidReading = "reading" // a reader asks to be told to go on
	SaidSaw     = "saw"     // a reader has found all well, and Seqs as the last commits
	SaidBroken  = "broken"  // what must never be: Text
	SaidLooked  = "looked"  // an observer has done something
	SaidChecked = "checked" // all is as it has to be: Rows, Seqs
	SaidReady   = "ready"   // finish: the clone is not written to from here on
)

// Child runs the program as a child, if that is what it was started as, and does not return then.
// It has to be the first thing that main does.
func Child() {
	if len(os.Args) != 3 || os.Args[1] != childMark {
		return
	}
	c := &child{orders: make(chan string)}
	if err := json.Unmarshal([]byte(os.Args[2]), &c.Spec); err != nil {
		c.fail(err)
	}
	c.say(Event{What: SaidHello})
	go c.listen()
	roles := map[string]func(context.Context) error{
		RoleWriter: c.write, RoleReader: c.read, RoleObserver: c.observe,
		RoleCheck: c.check, RoleFinish: c.finish, RoleBlob: c.blob, RoleBlobRead: c.blobRead,
	}
	run := roles[c.Role]
	if run == nil {
		c.fail(fmt.Errorf("no such role: %q", c.Role))
	}
	if err := run(context.Background()); err != nil {
		c.fail(err)
	}
	os.Exit(0)
}

// child is this process.
type child struct {
	Spec
	ending atomic.Bool // the parent wants us to end
	orders chan string // lines from the parent
}

// listen hands on what the parent says. When it says nothing any more, it is time to end.
func (c *child) listen() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		c.orders <- in.Text()
	}
	c.ending.Store(true)
	close(c.orders)
}

// say tells the parent, in one write: a kill leaves whole lines.
func (c *child) say(e Event) {
	e.Text = e.Text[:min(len(e.Text), 1500)]
	b, err := json.Marshal(e)
	if err == nil {
		_, err = os.Stdout.Write(append(b, '\n'))
	}
	if err != nil {
		os.Exit(3) // nobody is there any more
	}
}

// fail ends the process for something that must not happen.
func (c *child) fail(err error) {
	c.say(Event{What: SaidBroken, Text: err.Error(), Code: code(err)})
	os.Exit(2)
}

// trouble tells of something that may be: the parent knows whether it may be now.
func (c *child) trouble(what string, err error) {
	if b := (broken{}); errors.As(err, &b) {
		c.fail(fmt.Errorf("%s: %w", what, err))
	}
	text := what + ": " + err.Error()
	if primary(code(err)) == sqlite3.ErrIoErr {
		text += "; " + lastError()
	}
	c.say(Event{What: SaidTrouble, Text: text, Code: code(err)})
}

// lastError is what hydrant says of the last failure in this process, whichever database it was of.
func lastError() (text string) {
	db, err := sql.Open("sqlite3", ":memory:")
	if err == nil {
		err = errors.Join(db.QueryRow("SELECT hydrant_last_error()").Scan(&text), db.Close())
	}
	if err != nil {
		return err.Error()
	}
	return text
}

// rest waits a little, up to n milliseconds.
func rest(n int64) { time.Sleep(time.Duration(n) * time.Millisecond) }
