// As worker.py, for both of Node's ways to SQLite: the first argument says which.
import readline from 'node:readline';
import { createRequire } from 'node:module';

const require = createRequire(process.env.HYDRANT_TEST_MODULES + '/x.js');
const own = process.argv[2] === 'node';
const Database = own ? require('node:sqlite').DatabaseSync : require('better-sqlite3');
const open = (name) => (own ? new Database(name, { allowExtension: true }) : new Database(name));

let db = open(':memory:');

function* rows(sql) {
  const s = db.prepare(sql);
  if (own) {
    s.setReadBigInts(true);
    for (const row of s.iterate()) yield Object.values(row);
  } else if (s.reader) {
    yield* s.raw().safeIntegers().iterate();
  } else {
    s.run();
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const out = [];
  try {
    if (line.startsWith('.load ')) {
      db.loadExtension(line.slice(6));
    } else if (line.startsWith('.open ')) {
      db.close();
      db = open(line.slice(6));
    } else {
      for (const row of rows(line)) out.push(row.map((v) => (v === null ? '' : String(v))).join('|'));
    }
  } catch (e) {
    out.push('Error: ' + e.message);
  }
  out.push('--end--');
  process.stdout.write(out.join('\n') + '\n');
}
db.close();
