/*
** Between the C half and the Go half of the shim. See hydrantvfs.c for what it is.
*/
#ifndef HYDRANTVFS_H
#define HYDRANTVFS_H

#include "sqlite3abi.h"

/* Values of HydrantHeader. */
#define HYDRANT_RW       0 /* mode: anything goes */
#define HYDRANT_FAILED   2 /* mode: nothing goes */
#define HYDRANT_LIVE     2 /* phase: the guard stands */
#define HYDRANT_COMPLETE 4 /* phase: the guard is gone, all is local */

/* How many of a database's first bytes the guard stands for. */
#define HYDRANT_NFIRST 16

/*
** The front of a clone's shared memory: state.Header in Go, which has the contract. Each word is
** read atomically and never written from C.
*/
typedef struct HydrantHeader HydrantHeader;
struct HydrantHeader {
  uint64_t iFormat;
  uint64_t eMode;
  uint64_t ePhase;
  uint64_t aFirst[2];      /* little-endian: the logical first bytes while the guard stands */
  uint64_t nMark;          /* what a sync has to make durable … */
  uint64_t nSynced;        /* … and how far that has got */
  uint64_t aUnused[15];
  uint64_t bHold;          /* maps are kept even when complete */
};

/*
** What was read of the local file without Go's knowing, in order, while the clone is incomplete:
** it belongs into the trace. Entries are noted here and taken out by Go.
*/
#define HYDRANT_NTOUCH 1024
typedef struct HydrantTouches HydrantTouches;
struct HydrantTouches {
  uint64_t iNext;            /* how many were noted … */
  uint64_t iTaken;           /* … and how many of them Go has taken */
  uint64_t aTouch[HYDRANT_NTOUCH]; /* by number: region<<16 | regions, 0 for nothing yet */
  uint64_t nSeen;            /* bits in aSeen, a power of two */
  uint64_t aSeen[];          /* which regions, hashed, were noted before */
};
#define HYDRANT_MAXSEEN (1<<16)

/*
** What a database is served from: a clone, or a source without a copy. Made and freed by Go,
** which counts the files that use it; freed after the last of them is closed.
*/
typedef struct HydrantClone HydrantClone;
struct HydrantClone {
  uintptr_t hGo;               /* handle of the engine */
  const HydrantHeader *pHead;  /* shared memory, as are the maps. 0: there is no local copy */
  const uint64_t *aHydrated;   /* bit i%64 of word i/64 speaks of region i */
  const uint64_t *aWritten;    /* local = hydrated or written */
  const uint64_t *aDirty;
  uint64_t nRegion;            /* what lies behind the last region is local */
  unsigned iShift;             /* log2 of the region size */
  HydrantTouches *pTouch;      /* 0: nobody wants to know */
  int bReader;                 /* no permission to write: all is asked of Go, the above is 0 */
  char *zJournal;              /* private name of the rollback journal */
  char *zWal;                  /* … and of the WAL. Both end in two zero bytes */
  int eGate;                   /* who may lock, see hydrant_gate() */
  int nLocking;                /* how many are past the gate and about to lock */
  int nBusy;                   /* how many files are inside a transaction */
  HydrantClone *pNext;         /* of those that a forked child has to let go of, … */
  int fdState;                 /* … by closing this: the state file, -1 for none … */
  uint64_t iDev, iIno;         /* … which is this file */
};

/* Values of HydrantClone.eGate. */
#define HYDRANT_OPEN  0 /* everybody may lock */
#define HYDRANT_DRAIN 1 /* whoever has a lock may take more of them, others wait */
#define HYDRANT_SHUT  2 /* all wait */
#define HYDRANT_GONE  3 /* the clone is complete: nobody will ever wait again */

/* What Go decides about a main database that is to be opened. */
#define HYDRANT_PLAIN  0 /* none of our business */
#define HYDRANT_CLONE  1 /* served by pClone over the local file */
#define HYDRANT_MEMORY 2 /* served by pClone without a local file */
#define HYDRANT_STUB   3 /* cannot be opened, zError says why */
typedef struct HydrantOpening HydrantOpening;
struct HydrantOpening {
  int eKind;
  int bPrivate;          /* opened by ourselves: not counted as a user of pClone */
  HydrantClone *pClone;
  char *zError;          /* from malloc() */
};

/* What a command answers. */
#define HYDRANT_INT   1
#define HYDRANT_REAL  2
#define HYDRANT_TEXT  3
#define HYDRANT_FAIL  4 /* z says why, i is the result code */
typedef struct HydrantResult HydrantResult;
struct HydrantResult {
  int eType;
  sqlite3_int64 i;
  double r;
  char *z;               /* from malloc() */
};

/* The commands, in the order of aCommand[] in hydrantsql.c. */
#define HYDRANT_CMD_STATUS     0
#define HYDRANT_CMD_PROGRESS   1
#define HYDRANT_CMD_WAIT       2
#define HYDRANT_CMD_HYDRATE    3
#define HYDRANT_CMD_SYNC       4
#define HYDRANT_CMD_TXID       5
#define HYDRANT_CMD_DETACH     6
#define HYDRANT_CMD_LAST_ERROR 7
#define HYDRANT_CMD_CLONE      8
#define HYDRANT_CMD_DEFAULT    9

/*
** Who asks: the database that a command or a wait is for. Valid during the call. Any of it may
** be 0: a schema that does not come through this VFS has no clone and no name here.
*/
typedef struct HydrantAsker HydrantAsker;
struct HydrantAsker {
  HydrantClone *pClone;
  const char *zPath;
  const char *zStub;     /* why it could not be opened */
  sqlite3 *db;
};

/* C → C: for a loadable extension */
int hydrant_connect(sqlite3*);
int hydrantForked(void);
void hydrant_log_to(int fd);

/* Go → C: hydrantvfs.c */
void hydrant_use_api(const HydrantApi*);
int hydrant_register(const char *zName, uintptr_t hGo, const char **pzError);
int hydrant_default(const char *zName, int eSet);
char *hydrant_full_path(const char *zPath);
void hydrant_log(int rc, const char *zText);
int hydrant_interrupted(sqlite3*);
int hydrant_txn_state(sqlite3*);
const char *hydrant_uri_key(const char *zName, int i);
const char *hydrant_uri_value(const char *zName, const char *zKey);
int hydrant_open_as(const char *zName, sqlite3_file*, int flags, int *pOutFlags, int bOwnName);
int hydrant_gate(HydrantClone*, int eGate);
void hydrant_watch(HydrantClone*, int fdState);
void hydrant_unwatch(HydrantClone*);
int hydrant_real_access(const char *zName, int flags, int *pOut);
int hydrant_real_delete(const char *zName, int bSyncDir);

/* Go → C: hydrantsql.c */
int hydrant_db_open(const char *zUri, const char *zVfs, sqlite3 **ppDb);
int hydrant_db_locked(sqlite3*);
int hydrant_db_query(sqlite3*, const char *zSql, char *zOut, int nOut);
void hydrant_db_close(sqlite3*, int bLast);
const char *hydrant_db_error(sqlite3*);

#endif
