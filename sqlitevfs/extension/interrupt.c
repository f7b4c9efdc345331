/*
** Before 3.41 a SQLite does not tell whether a connection was interrupted, but the statements that
** it runs itself; and whoever waits for the network in the middle of one would wait on. It keeps
** the word in the connection, an int that sqlite3_interrupt() sets and the next statement clears.
** Where it is there differs with each build, so it is looked for in a connection of our own: one
** int must turn from 0 to 1 and back, and nothing else with it. If that is not what is found, there
** is no way to know, and waits end with their timeout.
*/
#include "host.h"

#include <stdlib.h>
#include <string.h>

static size_t iWord;  /* bytes from the beginning of a connection to the word */

static int wordOf(sqlite3 *db){
  return __atomic_load_n((int*)((char*)db + iWord), __ATOMIC_RELAXED);
}

/* Where the only int is in which the n bytes at aOld and at db differ; n when it is not one int. */
static size_t difference(const char *aOld, sqlite3 *db, size_t n){
  size_t i, iFound = n;
  for(i=0; i+sizeof(int)<=n; i+=sizeof(int)){
    if( memcmp(&aOld[i], (char*)db+i, sizeof(int))==0 ) continue;
    if( iFound!=n ) return n;
    iFound = i;
  }
  return iFound;
}

static int findWord(sqlite3 *db, size_t n, void (*xInterrupt)(sqlite3*), const HydrantApi *pApi){
  char *aOld = malloc(n+1);
  if( aOld==0 ) return 0;
  memcpy(aOld, db, n);
  xInterrupt(db);
  iWord = difference(aOld, db, n);
  free(aOld);
  if( iWord==n || wordOf(db)!=1 ) return 0;
  if( pApi->exec(db, "SELECT 1", 0, 0, 0)!=SQLITE_OK || wordOf(db)!=0 ) return 0;
  xInterrupt(db);
  return wordOf(db)==1;
}

int (*hydrant_host_interrupted(HydrantRoutines aRoutine, const HydrantApi *pApi))(sqlite3*){
  sqlite3_uint64 (*xSize)(void*) = (sqlite3_uint64(*)(void*))aRoutine[HYDRANT_AT_msize];
  void (*xInterrupt)(sqlite3*) = (void(*)(sqlite3*))aRoutine[HYDRANT_AT_interruptx];
  sqlite3 *db = 0;
  int bFound = 0;
  if( pApi->libversion_number()>=3041000 ){
    return (int(*)(sqlite3*))aRoutine[HYDRANT_AT_is_interrupted];
  }
  if( pApi->open_v2(":memory:", &db, SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE, 0)==SQLITE_OK ){
    bFound = findWord(db, (size_t)xSize(db), xInterrupt, pApi);
  }
  pApi->close_v2(db);
  return bFound ? wordOf : 0;
}
