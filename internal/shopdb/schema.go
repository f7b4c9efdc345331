package shopdb

const schema = `
CREATE TABLE customers(
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  email      TEXT NOT NULL UNIQUE,
  city       TEXT NOT NULL,
  created_at TEXT NOT NULL,
  notes      TEXT
);
CREATE TABLE orders(
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers(id),
  status      TEXT NOT NULL,
  total_cents INTEGER NOT NULL,
  created_at  TEXT NOT NULL,
  tracking    TEXT NOT NULL,
  note        TEXT NOT NULL
);
CREATE INDEX orders_customer ON orders(customer_id);
CREATE INDEX orders_created ON orders(created_at);
CREATE INDEX orders_status ON orders(status, created_at);
`

const (
	insertCustomer = "INSERT INTO customers(name, email, city, created_at, notes) VALUES(?,?,?,?,?)"
	insertOrder    = "INSERT INTO orders(customer_id, status, total_cents, created_at, tracking, note) VALUES(?,?,?,?,?,?)"
)
