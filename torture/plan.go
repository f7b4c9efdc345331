package torture

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// Statement is a statement of SQL with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// Transaction is what an owner does at one time.
type Transaction struct {
	Begin string
	// Discarded is run first, in a transaction of its own that is rolled back.
	Discarded []Statement
	// Kept is run in the transaction that is committed.
	Kept []Statement
	// After is run when that is done; it changes no row, and may fail for being in somebody's way.
	After []string
}

// Plan is the seq-th transaction of owner, seq from 1 on. What it does to the rows depends on
// nothing but the owner's rows before; digest is what the owner's last row in log says, "" for none.
func (s Shape) Plan(owner int, seq int64, digest string) Transaction {
	p := &planner{Shape: s, r: random(s.Seed, 'T', int64(owner), seq), owner: owner, seq: seq}
	tx := Transaction{Begin: pick(p.r, "BEGIN IMMEDIATE", "BEGIN IMMEDIATE", "BEGIN IMMEDIATE", "BEGIN", "BEGIN EXCLUSIVE")}
	if p.r.IntN(12) == 0 {
		tx.Discarded = p.statements(1 + p.r.IntN(6))
	}
	tx.Kept = p.statements(1 + p.r.IntN(8))
	tx.Kept = append(tx.Kept, Statement{"INSERT INTO log VALUES(?,?,?)", []any{owner, seq, chain(digest, owner, seq)}})
	tx.After = p.after()
	return tx
}

// chain is the digest of an owner's seq-th transaction, that of the one before being given.
func chain(digest string, owner int, seq int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", digest, owner, seq))
	return hex.EncodeToString(sum[:12])
}

// planner draws one transaction.
type planner struct {
	Shape
	r     *rand.Rand
	owner int
	seq   int64
}

func (p *planner) statements(n int) (list []Statement) {
	for range n {
		list = append(list, p.statement()...)
	}
	return list
}

func (p *planner) statement() []Statement {
	one := func(sql string, args ...any) []Statement { return []Statement{{sql, args}} }
	lo, hi := p.ids()
	switch n := p.r.IntN(100); {
	case n < 30:
		id := lo + int64(p.owner) + Owners*int64(1+p.r.IntN(idStep/Owners-2)) // never one of those that are there from the beginning
		return one(insertItem, id, p.owner, p.r.IntN(kinds), p.r.IntN(1000), name(p.r), body(p.r, p.PageSize))
	case n < 50:
		return one("UPDATE items SET v=v+?, kind=(kind+?)%?, name=? || substr(name, 4) WHERE owner=? AND id BETWEEN ? AND ?",
			p.r.IntN(100)-50, p.r.IntN(kinds), kinds, name(p.r)[:3], p.owner, lo, hi)
	case n < 60:
		return one("UPDATE items SET body=? WHERE owner=? AND id BETWEEN ? AND ?", body(p.r, p.PageSize), p.owner, lo, hi)
	case n < 70:
		return one("DELETE FROM items WHERE owner=? AND id BETWEEN ? AND ?", p.owner, lo, hi)
	case n < 84:
		amount, from := p.r.IntN(50), p.r.IntN(accounts)
		return []Statement{
			{"UPDATE accounts SET balance=balance-? WHERE owner=? AND id=?", []any{amount, p.owner, from}},
			{"UPDATE accounts SET balance=balance+?, note=? WHERE owner=? AND id=?", []any{amount, name(p.r), p.owner, p.r.IntN(accounts)}},
		}
	case n < 90:
		return append(append(one("SAVEPOINT s"), p.statements(1+p.r.IntN(2))...),
			Statement{SQL: pick(p.r, "ROLLBACK TO s", "ROLLBACK TO s", "RELEASE s")})
	case n < 93:
		return p.bulk()
	case n < 96:
		return one("DELETE FROM bulk WHERE owner=? AND id/4%3<>?", p.owner, p.r.IntN(3))
	case n < 98:
		return one(fmt.Sprintf("CREATE TABLE IF NOT EXISTS extra_%d(a, b UNIQUE)", p.owner))
	default:
		return one(fmt.Sprintf("DROP TABLE IF EXISTS extra_%d", p.owner))
	}
}

// bulk is larger than a small cache.
func (p *planner) bulk() []Statement {
	return []Statement{{`INSERT OR REPLACE INTO bulk
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<?)
		SELECT (?*10000+i)*4+?, ?, printf('%d-%d-%s', i*7919%997, ?, hex(zeroblob(i%150))) FROM n`,
		[]any{50 + p.r.IntN(600), p.seq, p.owner, p.owner, p.seq}}}
}

// ids are a range in which the owner has few rows.
func (p *planner) ids() (lo, hi int64) {
	g := int64(p.r.IntN(p.Groups))
	return g * idStep, (g + int64(1+p.r.IntN(6))) * idStep
}

func (p *planner) after() []string {
	switch p.r.IntN(40) {
	case 0:
		return []string{"VACUUM"}
	case 1, 2:
		return []string{"PRAGMA wal_checkpoint(" + pick(p.r, "PASSIVE", "FULL", "RESTART", "TRUNCATE") + ")"}
	case 3, 4:
		return []string{fmt.Sprintf("PRAGMA incremental_vacuum(%d)", p.r.IntN(20))}
	case 5:
		return []string{"REINDEX"}
	}
	return nil
}
