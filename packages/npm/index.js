'use strict';
const path = require('node:path');

// The library's file, for whatever loads extensions by their path.
const loadablePath = () => path.join(__dirname, 'hydrant.so');

// Loads the library through a connection of better-sqlite3 or of node:sqlite (which must have been
// opened with allowExtension). Once is enough for all connections of the process.
const load = (db) => {
  db.loadExtension(loadablePath());
};

module.exports = { load, loadablePath };
