"""A database in S3, in Python's sqlite3.

    python3 examples/python.py dist/hydrant s3://bucket/app.db app.db
"""
import sqlite3
import sys
import urllib.parse

extension, source, path = sys.argv[1:]

boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(extension)  # for all connections of the process

name = "file:%s?vfs=hydrant&source=%s" % (urllib.parse.quote(path), urllib.parse.quote(source, safe=""))
db = sqlite3.connect(name, uri=True)
for row in db.execute("SELECT type, count(*) FROM sqlite_master GROUP BY type"):
    print(*row, sep="|")
db.execute("CREATE TABLE IF NOT EXISTS visits(at TEXT)")
db.execute("INSERT INTO visits VALUES(datetime())")
db.commit()
print("visits", *db.execute("SELECT count(*) FROM visits").fetchone(), sep="|")

# One call of SQLite's is not interrupted by ^C in Python, whatever it does: so wait in short ones.
while not db.execute("SELECT hydrant_wait(0.2)").fetchone()[0]:
    pass
print("all of it is here")
