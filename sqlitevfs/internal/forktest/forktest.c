#include "../../shim/sqlite3abi.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int sqlite3_open_v2(const char*, sqlite3**, int, const char*);
int sqlite3_exec(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**);
int sqlite3_extended_errcode(sqlite3*);
int sqlite3_close_v2(sqlite3*);

static int openUri(const char *zUri, sqlite3 **ppDb){
  return sqlite3_open_v2(zUri, ppDb, SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE|SQLITE_OPEN_URI|
      SQLITE_OPEN_FULLMUTEX, 0);
}

static int runSql(sqlite3 *db, const char *zSql){
  return sqlite3_exec(db, zSql, 0, 0, 0) ? sqlite3_extended_errcode(db) : 0;
}

/* The child's part: a line of what came of each step. A step that hangs ends with the alarm. */
static void inChild(
  sqlite3 *db, const char *zClone, const char *zPlain, const char *zWarm, const char *zCold, int fd
){
  char z[256];
  sqlite3 *db2 = 0, *db3 = 0;
  int warm, cold, plain, again;
  alarm(20);
  warm = runSql(db, zWarm);
  cold = runSql(db, zCold);
  plain = openUri(zPlain, &db2);
  if( plain==0 ) plain = runSql(db2, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  again = openUri(zClone, &db3);
  snprintf(z, sizeof(z), "warm=%d cold=%d plain=%d again=%d", warm, cold, plain, again);
  if( write(fd, z, strlen(z)+1)<0 ) _exit(1);
  _exit(0);
}

int forktest(
  const char *zClone, const char *zPlain, const char *zWarm, const char *zCold, char *zOut, int nOut
){
  sqlite3 *db = 0;
  int aPipe[2], rc, n;
  pid_t pid;
  zOut[0] = 0;
  if( (rc = openUri(zClone, &db))!=0 || (rc = runSql(db, zWarm))!=0 ) return rc;
  if( pipe(aPipe) ) return -1;
  pid = fork();
  if( pid==0 ) inChild(db, zClone, zPlain, zWarm, zCold, aPipe[1]);
  close(aPipe[1]);
  n = pid>0 ? (int)read(aPipe[0], zOut, nOut-1) : 0;
  zOut[n>0 ? n : 0] = 0;
  close(aPipe[0]);
  if( pid>0 ) waitpid(pid, 0, 0);
  if( (rc = sqlite3_close_v2(db))!=0 ) return rc;
  return n>0 ? 0 : -2;
}

/*
** Opens a clone, runs zWarm, forks, and returns in the parent. For each byte that comes on fdIn the
** child runs zWarm on the connection it inherited, and writes the result code to fdOut as one byte;
** at the end of fdIn it ends.
*/
int forkhold(const char *zClone, const char *zWarm, int fdIn, int fdOut){
  sqlite3 *db = 0;
  char c;
  int rc;
  pid_t pid;
  if( (rc = openUri(zClone, &db))!=0 || (rc = runSql(db, zWarm))!=0 ) return rc;
  pid = fork();
  if( pid ) return pid>0 ? 0 : -1;
  alarm(60);
  while( read(fdIn, &c, 1)==1 ){
    c = (char)runSql(db, zWarm);
    if( write(fdOut, &c, 1)!=1 ) break;
  }
  _exit(0);
}
