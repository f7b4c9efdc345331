/*
** What SQLite calls when it has initialized itself, also after sqlite3_shutdown(): then "unix" is
** the default VFS again, and ours is still registered.
**
** With HYDRANT_SUITE=clone a file of ours gets something behind it, and Go is told of each main
** database that is opened and closed. See clones.go.
*/
#include "shim/sqlite3abi.h"
#include "_cgo_export.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

sqlite3_vfs *sqlite3_vfs_find(const char*);
int sqlite3_vfs_register(sqlite3_vfs*, int);
const char *sqlite3_uri_parameter(const char*, const char*);
void sqlite3_reset_auto_extension(void);

/* Behind a file of ours. */
typedef struct SuiteFile SuiteFile;
struct SuiteFile {
  const sqlite3_io_methods *pReal;
  const char *zPath;           /* as given to xOpen, lives as long as the file */
};

/* Tables of methods that differ from ours in xClose. There are as many as the VFS has kinds of files. */
static struct {
  const sqlite3_io_methods *pReal;
  sqlite3_io_methods methods;
} aTable[16];

static int (*xRealOpen)(sqlite3_vfs*, const char*, sqlite3_file*, int, int*);
static int szReal;             /* bytes of a file of ours */

#define SUITE_OF(pFile) ((SuiteFile*)((char*)(pFile)+szReal))

static int suiteClose(sqlite3_file *pFile){
  SuiteFile *p = SUITE_OF(pFile);
  const char *zPath = p->zPath;
  int rc;
  pFile->pMethods = p->pReal;
  rc = p->pReal->xClose(pFile);
  hydrantSuiteClosed((char*)zPath);
  return rc;
}

/* The table for files with methods pReal; 0 when there is no room. Called by one at a time. */
static const sqlite3_io_methods *tableFor(const sqlite3_io_methods *pReal){
  size_t i;
  for(i=0; i<sizeof(aTable)/sizeof(aTable[0]); i++){
    if( aTable[i].pReal==pReal ) return &aTable[i].methods;
    if( aTable[i].pReal ) continue;
    aTable[i].pReal = pReal;
    memcpy(&aTable[i].methods, pReal,
        pReal->iVersion>=3 ? sizeof(*pReal) :
        pReal->iVersion==2 ? offsetof(sqlite3_io_methods, xFetch) :
                             offsetof(sqlite3_io_methods, xShmMap));
    aTable[i].methods.xClose = suiteClose;
    return &aTable[i].methods;
  }
  return 0;
}

static int suiteOpen(
  sqlite3_vfs *pVfs, const char *zName, sqlite3_file *pFile, int flags, int *pOutFlags
){
  int rc;
  /* Connections that the VFS itself makes are not the program's. */
  if( zName==0 || !(flags & SQLITE_OPEN_MAIN_DB) || sqlite3_uri_parameter(zName, "_hydrant") ){
    return xRealOpen(pVfs, zName, pFile, flags, pOutFlags);
  }
  hydrantSuiteOpening((char*)zName);
  rc = xRealOpen(pVfs, zName, pFile, flags, pOutFlags);
  if( rc==SQLITE_OK && pFile->pMethods ){
    const sqlite3_io_methods *pTable = tableFor(pFile->pMethods);
    if( pTable==0 ){
      pFile->pMethods->xClose(pFile);
      pFile->pMethods = 0;
      rc = SQLITE_NOMEM;
    }else{
      SUITE_OF(pFile)->pReal = pFile->pMethods;
      SUITE_OF(pFile)->zPath = zName;
      pFile->pMethods = pTable;
    }
  }
  hydrantSuiteOpened((char*)zName, rc==SQLITE_OK && pFile->pMethods!=0);
  return rc;
}

int hydrant_suite_init(const char *zUnused){
  sqlite3_vfs *p = sqlite3_vfs_find("hydrant");
  (void)zUnused;
  if( p==0 ){
    if( hydrantSuiteRegister() ) return SQLITE_ERROR;
    /* For programs that want no memory in use before they begin. Our SQL functions are not there then. */
    if( getenv("HYDRANT_SUITE_BARE") ) sqlite3_reset_auto_extension();
    p = sqlite3_vfs_find("hydrant");
    if( hydrantSuiteCloning() ){
      xRealOpen = p->xOpen;
      szReal = (p->szOsFile+15) & ~15;
      p->xOpen = suiteOpen;
      p->szOsFile = szReal + (int)sizeof(SuiteFile);
    }
  }
  return sqlite3_vfs_register(p, 1);
}
