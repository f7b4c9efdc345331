/*
** What a SQLite calls when it loads us.
**
** The library stays for good: its threads run, and its VFS is registered. So it may be loaded any
** number of times, from any connection and thread, of one SQLite. A second one in the process, a
** copy with its own locks on files and its own VFSes, is refused: two copies that open one file
** take each other's locks away.
**
** Go does not run in a forked child. One that inherited the library loaded has all that it can have.
**
** As it begins, Go's runtime takes over the signals of faults, SIGPIPE, and SIGURG. Of these it hands
** to the program's handlers what is not its own, except for SIGURG, with which it interrupts its own
** threads. The build switches that off (see the Makefile), and here the program's handler is put back.
*/
#define _GNU_SOURCE
#include "host.h"
#include "_cgo_export.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SQLITE_OK_LOAD_PERMANENTLY 256

static struct {
  pthread_mutex_t lock;        /* guards the rest; held while Go registers us */
  int eState;
  HydrantApi api;              /* of the SQLite that has loaded us */
} loaded = { .lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP };
#define NOT_LOADED 0
#define LOADING    1           /* seen by connections that are opened meanwhile, and load us again */
#define LOADED     2

static pid_t iHome;            /* the process in which Go runs */

static struct sigaction onUrgent; /* the program's SIGURG */

/* Called when the library has been mapped, before Go's runtime begins. */
__attribute__((constructor(101))) static void beforeGo(void){
  iHome = getpid();
  sigaction(SIGURG, 0, &onUrgent);
}

static void putBackSignals(void){
  if( (onUrgent.sa_flags & SA_SIGINFO) || onUrgent.sa_handler!=SIG_DFL ) sigaction(SIGURG, &onUrgent, 0);
}

/* Returns why it cannot be, which with *pbFree comes from malloc(); 0 when it is loaded. */
static const char *loadLocked(HydrantRoutines aRoutine, int *pbFree){
  HydrantApi api;
  const char *zError = hydrant_host_refused(aRoutine);
  if( zError ) return zError;
  hydrant_host_api(aRoutine, &api);
  if( loaded.eState!=NOT_LOADED ){
    if( api.open_v2==loaded.api.open_v2 ) return 0;
    return "hydrant: another copy of SQLite in this process has loaded it";
  }
  if( getpid()!=iHome ) return "hydrant: not in a forked child; load it there after exec, or fork first";
  loaded.eState = LOADING;
  loaded.api = api;
  loaded.api.is_interrupted = hydrant_host_interrupted(aRoutine, &api);
  zError = hydrantExtensionLoad(&loaded.api);
  putBackSignals();
  loaded.eState = zError ? NOT_LOADED : LOADED;
  *pbFree = 1;
  return zError;
}

static int load(sqlite3 *db, char **pzError, HydrantRoutines aRoutine){
  const char *zError;
  int bFree = 0, bDone, rc = SQLITE_ERROR;
  pthread_mutex_lock(&loaded.lock);
  zError = loadLocked(aRoutine, &bFree);
  bDone = loaded.eState==LOADED;
  pthread_mutex_unlock(&loaded.lock);
  if( zError==0 ) rc = bDone ? hydrant_connect(db) : SQLITE_OK;
  else if( pzError ){
    char *(*xPrintf)(const char*, ...) = (char*(*)(const char*, ...))aRoutine[HYDRANT_AT_mprintf];
    *pzError = xPrintf("%s", zError);
  }
  if( bFree ) free((char*)zError);
  return rc==SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc;
}

/* The name that SQLite asks for first, whatever the file is called, … */
int sqlite3_extension_init(sqlite3 *db, char **pzError, HydrantRoutines aRoutine){
  return load(db, pzError, aRoutine);
}

/* … and the one that goes with hydrant.so. */
int sqlite3_hydrant_init(sqlite3 *db, char **pzError, HydrantRoutines aRoutine){
  return load(db, pzError, aRoutine);
}
