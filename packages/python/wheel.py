"""Packs the module and the library into a wheel, with nothing but Python itself.

    python3 packages/python/wheel.py dist/hydrant.so dist VERSION
"""
import base64
import hashlib
import os
import platform
import re
import subprocess
import sys
import zipfile

NAME = "hydrant_sqlite"
library, out, version = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))

# The wheel is for any Python 3, since it has no code for Python's own interface, and for systems whose
# C library is not older than what the library asks of it.
symbols = subprocess.run(["objdump", "-T", library], check=True, capture_output=True, text=True).stdout
glibc = max(tuple(map(int, v)) for v in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols))
tag = "py3-none-manylinux_%d_%d_%s" % (*glibc, platform.machine())

info = "%s-%s.dist-info" % (NAME, version)
files = {
    info + "/METADATA": "\n".join([
        "Metadata-Version: 2.1",
        "Name: hydrant-sqlite",
        "Version: " + version,
        "Summary: Open a SQLite database that lives in S3, read and write it at once, while it is copied to local disk",
        "License: Apache-2.0",
        "",
        "",
    ]).encode(),
    info + "/WHEEL": "\n".join(["Wheel-Version: 1.0", "Generator: hydrant", "Root-Is-Purelib: false", "Tag: " + tag, ""]).encode(),
}
for name, path in [
    (NAME + "/__init__.py", os.path.join(here, NAME, "__init__.py")),
    (NAME + "/hydrant.so", library),
    (info + "/LICENSE", os.path.join(here, "..", "..", "LICENSE")),
]:
    with open(path, "rb") as f:
        files[name] = f.read()

record = []
for name, data in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    record.append("%s,sha256=%s,%d" % (name, digest, len(data)))
record.append(info + "/RECORD,,\n")
files[info + "/RECORD"] = "\n".join(record).encode()

path = os.path.join(out, "%s-%s-%s.whl" % (NAME, version, tag))
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
    for name, data in files.items():
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
        z.writestr(entry, data)
print(path)
