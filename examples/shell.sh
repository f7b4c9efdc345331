#!/bin/sh
# A database in S3, in the sqlite3 shell.
#
#     sh examples/shell.sh dist/hydrant s3://bucket/app.db app.db
set -eu
extension=$1 source=$2 path=$3

sqlite3 <<SQL
.load $extension
.open file:$path?vfs=hydrant&source=$(printf %s "$source" | sed 's/%/%25/g; s/&/%26/g; s/#/%23/g')
SELECT type, count(*) FROM sqlite_master GROUP BY type;
CREATE TABLE IF NOT EXISTS visits(at TEXT);
INSERT INTO visits VALUES(datetime());
SELECT 'visits', count(*) FROM visits;
SELECT CASE hydrant_wait(60) WHEN 1 THEN 'all of it is here' ELSE 'not all of it is here yet' END;
SQL
