package torture

import (
	"fmt"
	"math/rand/v2"
)

const (
	kinds          = 7
	accounts       = 20
	openingBalance = 1000
	idStep         = 1000 // between the ids that are there at the beginning
)

// Totals are kept by triggers: pages that every writer changes.
const schema = `
CREATE TABLE items(
  id    INTEGER PRIMARY KEY,
  owner INT NOT NULL,
  kind  INT NOT NULL,
  v     INT NOT NULL,
  name  TEXT NOT NULL,
  body  BLOB
);
CREATE TABLE totals(kind INTEGER PRIMARY KEY, n INT NOT NULL, sum INT NOT NULL);
INSERT INTO totals VALUES(0,0,0),(1,0,0),(2,0,0),(3,0,0),(4,0,0),(5,0,0),(6,0,0);
CREATE TRIGGER items_in AFTER INSERT ON items BEGIN
  UPDATE totals SET n=n+1, sum=sum+new.v WHERE kind=new.kind;
END;
CREATE TRIGGER items_out AFTER DELETE ON items BEGIN
  UPDATE totals SET n=n-1, sum=sum-old.v WHERE kind=old.kind;
END;
CREATE TRIGGER items_up AFTER UPDATE ON items BEGIN
  UPDATE totals SET n=n-1, sum=sum-old.v WHERE kind=old.kind;
  UPDATE totals SET n=n+1, sum=sum+new.v WHERE kind=new.kind;
END;
CREATE INDEX items_owner ON items(owner, id);
CREATE INDEX items_name ON items(name, owner);
CREATE INDEX items_kind ON items(kind, v);
CREATE INDEX items_long ON items(length(body)) WHERE length(body) > 2000;
CREATE TABLE accounts(owner INT, id INT, balance INT NOT NULL, note TEXT, PRIMARY KEY(owner, id)) WITHOUT ROWID;
CREATE TABLE bulk(id INTEGER PRIMARY KEY, owner INT NOT NULL, text TEXT NOT NULL);
CREATE INDEX bulk_text ON bulk(text);
CREATE TABLE log(owner INT, seq INT, digest TEXT NOT NULL, PRIMARY KEY(owner, seq)) WITHOUT ROWID;
`

// insertItem changes the row where there is one, so that its triggers see every change.
const insertItem = `INSERT INTO items VALUES(?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE
	SET kind=excluded.kind, v=excluded.v, name=excluded.name, body=excluded.body`

// tables are what is compared, each with the order in which.
var tables = []struct{ name, order string }{
	{"items", "id"}, {"totals", "kind"}, {"accounts", "owner, id"}, {"bulk", "id"}, {"log", "owner, seq"},
	{"sqlite_schema", "name"},
}

func name(r *rand.Rand) string { return fmt.Sprintf("%06x-%x", r.IntN(1<<24), r.Uint64()) }

// body is null, short, or spread over overflow pages.
func body(r *rand.Rand, page int) any {
	var n int
	switch r.IntN(40) {
	case 0:
		n = min(20*page, 100_000) + r.IntN(page)
	case 1, 2, 3:
		n = r.IntN(min(4*page, 20_000))
	case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13:
		return nil
	default:
		n = r.IntN(1200)
	}
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		w := r.Uint64()
		for j := i; j < min(i+8, n); j++ {
			b[j] = byte(w >> (8 * (j - i)))
		}
	}
	return b
}
