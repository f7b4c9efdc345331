# Reads a line of SQL at a time, and answers with rows and a line "--end--", as the sqlite3 shell
# would. Extra lines: ".load FILE", ".open NAME".
import sqlite3, sys

sys.stdin.reconfigure(line_buffering=True)
db = sqlite3.connect(":memory:", isolation_level=None)


def text(v):
    return "" if v is None else str(v)


for line in sys.stdin:
    line = line.rstrip("\n")
    try:
        if line.startswith(".load "):
            db.enable_load_extension(True)
            db.load_extension(line[6:])
        elif line.startswith(".open "):
            name = line[6:]
            db = sqlite3.connect(name, uri=name.startswith("file:"), isolation_level=None)
        else:
            for row in db.execute(line):
                print("|".join(text(v) for v in row))
    except sqlite3.Error as e:
        print("Error:", e)
    print("--end--", flush=True)
db.close()
