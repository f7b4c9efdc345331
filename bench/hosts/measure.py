# Measures a hydrated clone against a plain file of the same content, in Python's sqlite3: processor time
# of the same work, in turns. Prints a line of JSON: what, and the ratio and seconds of each round.
import json, sqlite3, sys, time

extension, native, clone, rounds = sys.argv[1:]
boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(extension)


def connect(uri):
    db = sqlite3.connect(uri, uri=True, isolation_level=None)
    db.execute("PRAGMA cache_size=100")
    return db


ours = connect(clone)
assert ours.execute("SELECT hydrant_wait(120)").fetchone() == (1,)
theirs = connect(native)
for db in ours, theirs:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    db.execute("CREATE TABLE w(a, b)")
n = ours.execute("SELECT max(id) FROM orders").fetchone()[0]


def points(db):
    for i in range(2000):
        db.execute("SELECT note FROM orders WHERE id = ?", (i * 7919 % n + 1,)).fetchone()


def scan(db):
    db.execute("SELECT total(length(note)) FROM orders").fetchone()


def insert(db):
    for i in range(500):
        db.execute("INSERT INTO w VALUES(?, 'what is written')", (i,))


def mapped(db):
    db.execute("PRAGMA mmap_size=1000000000")
    scan(db)
    db.execute("PRAGMA mmap_size=0")


def seconds(work, db):
    began = time.process_time()
    work(db)
    return time.process_time() - began


for what, work in [("point query", points), ("full scan", scan), ("scan with mmap", mapped), ("insert, WAL", insert)]:
    pairs = []
    for i in range(int(rounds) + 1):
        order = [theirs, ours] if i % 2 else [ours, theirs]
        took = {id(db): seconds(work, db) for db in order}
        pairs.append([took[id(theirs)], took[id(ours)]])
    print(json.dumps({"what": what, "pairs": pairs[1:]}), flush=True)
