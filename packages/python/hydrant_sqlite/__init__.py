"""Open a SQLite database that lives in S3, read and write it at once, while it is copied to local disk.

    boot = sqlite3.connect(":memory:")
    hydrant_sqlite.load(boot)  # once, for all connections of the process
    db = sqlite3.connect("file:app.db?vfs=hydrant&source=s3://bucket/app.db", uri=True)

A library that was loaded does not work in forked children, but for what is local: load it in the
child, or spawn.
"""
import os

__all__ = ["load", "loadable_path", "loadablePath"]


def loadable_path():
    """The library's file, for whatever loads extensions by their path."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "hydrant.so")


loadablePath = loadable_path


def load(conn):
    """Loads the library through a connection, for all connections of the process."""
    conn.enable_load_extension(True)
    try:
        conn.load_extension(loadable_path())
    finally:
        conn.enable_load_extension(False)
