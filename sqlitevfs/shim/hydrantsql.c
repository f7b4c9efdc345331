/*
** What users ask a database for: SQL functions, and PRAGMAs of the same names.
**
**    hydrant_status([schema])    hydrant_hydrate([on])   hydrant_detach()
**    hydrant_progress([schema])  hydrant_sync()          hydrant_last_error()
**    hydrant_wait([seconds])     hydrant_txid()
**
** Where the host may not be able to say by a URI what is to be opened, and how:
**
**    hydrant_clone(source, path)    hydrant_default([on])
**
** Each connection of the process gets the functions, whatever its VFS: a database that does not
** come through ours is an ordinary file, and says so. A PRAGMA asks the schema in front of it and
** never answers nothing. What they do is in Go.
**
** The same entry point tells whoever opens a stub why it is one, because there SQLite lets us say
** it in words.
*/
#include "hydrantint.h"
#include "_cgo_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *zName;  /* without "hydrant_" */
  int nMin;           /* arguments, at least … */
  int nArg;           /* … and at most */
  int bSchema;        /* the argument is a schema */
  int bAct;           /* it does something: not from inside a schema that somebody else wrote */
  int bHost;          /* for loadable extensions */
} aCommand[] = {
  { "status",     0, 1, 1, 0, 0 },
  { "progress",   0, 1, 1, 0, 0 },
  { "wait",       0, 1, 0, 1, 0 },
  { "hydrate",    0, 1, 0, 1, 0 },
  { "sync",       0, 0, 0, 1, 0 },
  { "txid",       0, 0, 0, 0, 0 },
  { "detach",     0, 0, 0, 1, 0 },
  { "last_error", 0, 0, 0, 0, 0 },
  { "clone",      2, 2, 0, 1, 1 },
  { "default",    0, 1, 0, 1, 1 },
};
#define N_COMMAND ((int)(sizeof(aCommand)/sizeof(aCommand[0])))

int hydrantHosted;

static int isThere(int iCmd){
  return hydrantHosted || !aCommand[iCmd].bHost;
}

static void runCommand(
  int iCmd, const HydrantAsker *pAsker, const char *zArg, const char *zArg2, HydrantResult *pOut
){
  memset(pOut, 0, sizeof(*pOut));
  if( hydrantForked() ){
    pOut->eType = HYDRANT_FAIL;
    pOut->i = SQLITE_ERROR;
    pOut->z = strdup("hydrant: not in a forked child");
    return;
  }
  hydrantGoCommand(iCmd, (HydrantAsker*)pAsker, (char*)zArg, (char*)zArg2, pOut);
}

/* The PRAGMA file control: azArg is result or error, name, argument. */
int hydrantPragma(const HydrantAsker *pAsker, char **azArg){
  HydrantResult r;
  char aNum[40];
  int i, rc = SQLITE_OK;
  if( strncmp(azArg[1], "hydrant_", 8)!=0 ) return SQLITE_NOTFOUND;
  for(i=0; i<N_COMMAND && strcmp(azArg[1]+8, aCommand[i].zName)!=0; i++){}
  if( i==N_COMMAND || !isThere(i) || aCommand[i].nMin>1 ) return SQLITE_NOTFOUND;
  runCommand(i, pAsker, azArg[2], 0, &r);
  switch( r.eType ){
    case HYDRANT_INT:  snprintf(aNum, sizeof(aNum), "%lld", r.i); break;
    case HYDRANT_REAL: snprintf(aNum, sizeof(aNum), "%.1f", r.r); break;
    case HYDRANT_FAIL: rc = r.i==SQLITE_INTERRUPT ? SQLITE_INTERRUPT : SQLITE_ERROR; break;
  }
  azArg[0] = hydrantApi.mprintf("%s", r.z ? r.z : aNum);
  free(r.z);
  return rc;
}

/* All SQL functions; which one is its user data, an entry's index. */
static void sqlFunction(sqlite3_context *pCtx, int nArg, sqlite3_value **apArg){
  int iCmd = (int)(intptr_t)hydrantApi.user_data(pCtx);
  const char *zArg = nArg>0 ? (const char*)hydrantApi.value_text(apArg[0]) : 0;
  const char *zArg2 = nArg>1 ? (const char*)hydrantApi.value_text(apArg[1]) : 0;
  sqlite3 *db = hydrantApi.context_db_handle(pCtx);
  HydrantAsker asker;
  HydrantResult r;
  memset(&asker, 0, sizeof(asker));
  if( hydrantApi.file_control(db, aCommand[iCmd].bSchema ? zArg : 0, HYDRANT_FCNTL_ASKER, &asker)==SQLITE_ERROR ){
    hydrantApi.result_error(pCtx, "hydrant: no such schema", -1);
    return;
  }
  asker.db = db;
  runCommand(iCmd, &asker, zArg, zArg2, &r);
  switch( r.eType ){
    case HYDRANT_INT:  hydrantApi.result_int64(pCtx, r.i); break;
    case HYDRANT_REAL: hydrantApi.result_double(pCtx, r.r); break;
    case HYDRANT_TEXT: hydrantApi.result_text(pCtx, r.z, -1, SQLITE_TRANSIENT); break;
    default:
      hydrantApi.result_error(pCtx, r.z, -1);
      hydrantApi.result_error_code(pCtx, (int)r.i);
  }
  free(r.z);
}

static int makeFunctions(sqlite3 *db){
  char zName[40];
  int i, n, rc = SQLITE_OK;
  for(i=0; i<N_COMMAND && rc==SQLITE_OK; i++){
    if( !isThere(i) ) continue;
    snprintf(zName, sizeof(zName), "hydrant_%s", aCommand[i].zName);
    for(n=aCommand[i].nMin; n<=aCommand[i].nArg && rc==SQLITE_OK; n++){
      rc = hydrantApi.create_function_v2(db, zName, n,
          SQLITE_UTF8 | (aCommand[i].bAct ? SQLITE_DIRECTONLY : 0),
          (void*)(intptr_t)i, sqlFunction, 0, 0, 0);
    }
  }
  return rc;
}

/*
** Gives the functions to a connection that was there before we were. One that has them already
** says that it is busy, if it was asked to load us by an SQL statement.
*/
int hydrant_connect(sqlite3 *db){
  int rc = makeFunctions(db);
  return rc==SQLITE_BUSY ? SQLITE_OK : rc;
}

/* Called for each new connection. An error fails sqlite3_open(), with the text. */
int hydrantAutoInit(sqlite3 *db, char **pzErrMsg, const void *pThunk){
  HydrantAsker asker;
  int rc = makeFunctions(db);
  (void)pThunk;
  if( rc ) return rc;
  memset(&asker, 0, sizeof(asker));
  hydrantApi.file_control(db, "main", HYDRANT_FCNTL_ASKER, &asker);
  if( asker.zStub ){
    *pzErrMsg = hydrantApi.mprintf("%s", asker.zStub);
    return SQLITE_CANTOPEN;
  }
  return SQLITE_OK;
}

/******************************************* connections of our own, for Go *****/

int hydrant_db_open(const char *zUri, const char *zVfs, sqlite3 **ppDb){
  int flags = SQLITE_OPEN_READWRITE|SQLITE_OPEN_URI|SQLITE_OPEN_FULLMUTEX|SQLITE_OPEN_PRIVATECACHE;
  int rc;
  hydrantOurs++;
  rc = hydrantApi.open_v2(zUri, ppDb, flags, zVfs);
  hydrantOurs--;
  return rc;
}

/*
** Whether somebody keeps a connection, which must be new, from reading. A statement that is refused
** that lock while it is prepared writes so to SQLite's log, and for us it is a matter of course.
** (None is written where BEGIN is refused one.) It is asked for below SQLite, and given back.
*/
int hydrant_db_locked(sqlite3 *db){
  sqlite3_file *f = 0;
  int rc = hydrantApi.file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
  if( rc || f==0 || f->pMethods==0 ) return 0;
  hydrantOurs++;
  rc = f->pMethods->xLock(f, SQLITE_LOCK_SHARED);
  if( rc==SQLITE_OK ) f->pMethods->xUnlock(f, SQLITE_LOCK_NONE);
  hydrantOurs--;
  return (rc & 0xff)==SQLITE_BUSY;
}

struct query { char *zOut; int nOut; };

static int firstColumn(void *pArg, int nCol, char **azVal, char **azName){
  struct query *q = pArg;
  (void)azName;
  if( nCol>0 && azVal[0] && q->nOut>0 ) snprintf(q->zOut, q->nOut, "%s", azVal[0]);
  q->nOut = 0; /* the first row counts */
  return 0;
}

/* Runs zSql and puts the first column of the first row, as text, into zOut. */
int hydrant_db_query(sqlite3 *db, const char *zSql, char *zOut, int nOut){
  struct query q = { zOut, nOut };
  int rc;
  if( nOut>0 ) zOut[0] = 0;
  hydrantOurs++;
  rc = hydrantApi.exec(db, zSql, firstColumn, &q, 0);
  hydrantOurs--;
  return rc;
}

/*
** Closes a connection. Unless it is the last one, it leaves the WAL alone: the checkpoint that
** SQLite makes when it thinks that a connection is the last one is for users to wait for.
*/
void hydrant_db_close(sqlite3 *db, int bLast){
  if( db==0 ) return;
  hydrantOurs++;
  if( !bLast ) hydrantApi.db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int*)0);
  hydrantApi.close_v2(db);
  hydrantOurs--;
}

const char *hydrant_db_error(sqlite3 *db){
  return db ? hydrantApi.errmsg(db) : "out of memory";
}
