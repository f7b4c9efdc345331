// A database in S3, in Node's own SQLite (Node 22.13 and later).
//
//     node examples/node.mjs dist/hydrant.so s3://bucket/app.db app.db
import { DatabaseSync } from 'node:sqlite';

const [extension, source, path] = process.argv.slice(2);

const boot = new DatabaseSync(':memory:', { allowExtension: true });
boot.loadExtension(extension); // for all connections of the process

const db = new DatabaseSync(`file:${encodeURI(path)}?vfs=hydrant&source=${encodeURIComponent(source)}`);
for (const row of db.prepare('SELECT type, count(*) FROM sqlite_master GROUP BY type').all()) {
  console.log(Object.values(row).join('|'));
}
db.exec('CREATE TABLE IF NOT EXISTS visits(at TEXT)');
db.exec('INSERT INTO visits VALUES(datetime())');
console.log('visits|' + db.prepare('SELECT count(*) AS n FROM visits').get().n);

// hydrant_wait(60) would do, and keep the event loop waiting: so ask now and then.
const done = () => db.prepare('SELECT hydrant_wait(0) AS done').get().done;
while (!done()) await new Promise((resolve) => setTimeout(resolve, 50));
console.log('all of it is here');
db.close();
