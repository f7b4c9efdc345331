#include "../../shim/sqlite3abi.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int sqlite3_config(int, ...);
int sqlite3_open_v2(const char*, sqlite3**, int, const char*);
int sqlite3_exec(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**);
int sqlite3_close_v2(sqlite3*);

/* Of the shim. */
void hydrant_log(int rc, const char *zText);
extern __thread int hydrantOurs;

#define CONFIG_LOG 16 /* SQLITE_CONFIG_LOG */

/* What was logged, each line once, by the thread that opened the database, and by others. */
static struct {
  pthread_mutex_t lock;        /* guards the rest */
  int bThread;                 /* thread is set */
  pthread_t thread;
  char zOwn[4096], zOther[4096];
} heard = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void hear(void *pUnused, int rc, const char *zText){
  char zLine[512], *z;
  size_t n;
  (void)pUnused;
  snprintf(zLine, sizeof(zLine), "%d %s\n", rc, zText);
  pthread_mutex_lock(&heard.lock);
  z = heard.bThread && pthread_equal(heard.thread, pthread_self()) ? heard.zOwn : heard.zOther;
  n = strlen(z);
  if( strstr(z, zLine)==0 ) snprintf(&z[n], sizeof(heard.zOwn)-n, "%s", zLine);
  pthread_mutex_unlock(&heard.lock);
}

int logtest_listen(void){
  return sqlite3_config(CONFIG_LOG, hear, (void*)0);
}

static void *logAsOurs(void *pArg){
  hydrantOurs++;
  hydrant_log(SQLITE_IOERR, (const char*)pArg);
  hydrantOurs--;
  return 0;
}

static int first(void *pArg, int nCol, char **azVal, char **azName){
  (void)azName;
  if( nCol>0 && azVal[0] ) snprintf((char*)pArg, 1024, "%s", azVal[0]);
  return 0;
}

/*
** In this thread: opens a database and asks zSql until it has been locked, or zWant in the answer,
** and nAfter times from then on, or gives up after a minute; a thread of the shim's logs zLine; reads; closes it.
*/
int logtest_run(const char *zUri, const char *zSql, const char *zWant, int nAfter, char *zLine,
    char *zOwn, char *zOther, int nOut){
  sqlite3 *db = 0;
  char zAnswer[1024] = "";
  pthread_t t;
  int i = 0, nAsked = 0, rc;
  pthread_mutex_lock(&heard.lock);
  heard.bThread = 1;
  heard.thread = pthread_self();
  pthread_mutex_unlock(&heard.lock);
  rc = sqlite3_open_v2(zUri, &db, SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE|SQLITE_OPEN_URI|SQLITE_OPEN_FULLMUTEX, 0);
  while( rc==0 && i<nAfter ){
    rc = sqlite3_exec(db, zSql, first, zAnswer, 0);
    if( i || rc==SQLITE_BUSY || strstr(zAnswer, zWant) ) i++;
    if( rc==SQLITE_BUSY ) rc = 0;
    if( nAsked++>3000 ) rc = -1;
    usleep(20000);
  }
  if( rc==0 && (rc = pthread_create(&t, 0, logAsOurs, zLine))==0 ){
    pthread_join(t, 0);
    rc = sqlite3_exec(db, "SELECT count(*) FROM log", first, zAnswer, 0);
  }
  if( rc==SQLITE_BUSY ) rc = 0;
  pthread_mutex_lock(&heard.lock);
  snprintf(zOwn, nOut, "%s", heard.zOwn);
  pthread_mutex_unlock(&heard.lock);
  sqlite3_close_v2(db);
  pthread_mutex_lock(&heard.lock);
  snprintf(zOther, nOut, "%s", heard.zOther);
  pthread_mutex_unlock(&heard.lock);
  return rc;
}
