// measure.py for Node: the first argument says which of its SQLites.
import { createRequire } from 'node:module';

const [which, modules, extension, native, clone, rounds] = process.argv.slice(2);
const require = createRequire(modules + '/x.js');
const own = which === 'node';
const Database = own ? require('node:sqlite').DatabaseSync : require('better-sqlite3');

const connect = (name, vfs) => {
  const db = new Database(name, own ? { allowExtension: true } : undefined);
  if (vfs) db.exec('PRAGMA cache_size=100');
  return db;
};
const boot = connect(':memory:');
boot.loadExtension(extension);
boot.exec('SELECT hydrant_default(0)');
const theirs = connect(native, true);
boot.exec('SELECT hydrant_default(1)');
const ours = connect(clone, true);
const value = (db, sql) => Object.values(db.prepare(sql).get())[0];
if (value(ours, 'SELECT hydrant_wait(120)') !== 1) throw new Error('it does not become complete');
for (const db of [ours, theirs]) {
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; CREATE TABLE w(a, b)');
}
const n = value(ours, 'SELECT max(id) FROM orders');

const scan = (db) => value(db, 'SELECT total(length(note)) FROM orders');
const works = {
  'point query': (db) => {
    const s = db.prepare('SELECT note FROM orders WHERE id = ?');
    for (let i = 0; i < 2000; i++) s.get(((i * 7919) % n) + 1);
  },
  'full scan': scan,
  'scan with mmap': (db) => {
    db.exec('PRAGMA mmap_size=1000000000');
    scan(db);
    db.exec('PRAGMA mmap_size=0');
  },
  'insert, WAL': (db) => {
    const s = db.prepare("INSERT INTO w VALUES(?, 'what is written')");
    for (let i = 0; i < 500; i++) s.run(i);
  },
};
const seconds = (work, db) => {
  const began = process.cpuUsage();
  work(db);
  const took = process.cpuUsage(began);
  return (took.user + took.system) / 1e6;
};
for (const [what, work] of Object.entries(works)) {
  const pairs = [];
  for (let i = 0; i <= Number(rounds); i++) {
    const took = new Map();
    for (const db of i % 2 ? [theirs, ours] : [ours, theirs]) took.set(db, seconds(work, db));
    pairs.push([took.get(theirs), took.get(ours)]);
  }
  console.log(JSON.stringify({ what, pairs: pairs.slice(1) }));
}
