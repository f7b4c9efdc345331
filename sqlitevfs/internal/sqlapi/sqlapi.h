#ifndef HYDRANT_SQLAPI_H
#define HYDRANT_SQLAPI_H

#include "../../shim/sqlite3abi.h"

typedef struct { char z[512]; } Text;

/* The k-th write that SQLite's unix VFS makes to a file, and perhaps all that follow it, fails. */
typedef struct {
  int bUsed;
  uint64_t iDev, iInode;
  int k, bSticky, iErrno;
  int nWrite, nHit;
} WriteFault;

int sqlapi_open(const char *zUri, sqlite3 **ppDb);
int sqlapi_exec(sqlite3*, const char *zSql);
int sqlapi_text(sqlite3*, const char *zSql, Text *pOut);
int sqlapi_digest(sqlite3*, const char *zSql, uint64_t *pHash);
int sqlapi_blob(sqlite3*, const char *zTable, const char *zColumn, sqlite3_int64 iRow, int bWrite);
int sqlapi_backup(sqlite3 *pTo, sqlite3 *pFrom);
int sqlapi_intercept(void);
int sqlapi_fail_writes(uint64_t iDev, uint64_t iInode, int k, int bSticky, int iErrno);
WriteFault sqlapi_writes(int slot, int bEnd);

#endif
