// A database in S3, in better-sqlite3, which passes no URIs to SQLite: the clone is made by an SQL
// function, and opened by its plain path.
//
//     node examples/better-sqlite3.cjs dist/hydrant.so s3://bucket/app.db app.db
const Database = require('better-sqlite3');

const [extension, source, path] = process.argv.slice(2);

const boot = new Database(':memory:');
boot.loadExtension(extension); // for all connections of the process
boot.prepare('SELECT hydrant_clone(?, ?)').get(source, path);
boot.prepare('SELECT hydrant_default(1)').get();

const db = new Database(path);
for (const row of db.prepare('SELECT type, count(*) FROM sqlite_master GROUP BY type').raw().all()) {
  console.log(row.join('|'));
}
db.exec('CREATE TABLE IF NOT EXISTS visits(at TEXT)');
db.exec('INSERT INTO visits VALUES(datetime())');
console.log('visits|' + db.prepare('SELECT count(*) FROM visits').pluck().get());

// hydrant_wait(60) would do, and keep the event loop waiting: so ask now and then.
const done = db.prepare('SELECT hydrant_wait(0)').pluck();
const look = () => {
  if (!done.get()) return setTimeout(look, 50);
  console.log('all of it is here');
  db.close();
};
look();
