#include "sqlapi.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_blob sqlite3_blob;
typedef struct sqlite3_backup sqlite3_backup;

int sqlite3_open_v2(const char*, sqlite3**, int, const char*);
int sqlite3_exec(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**);
int sqlite3_close(sqlite3*);
int sqlite3_busy_timeout(sqlite3*, int);
int sqlite3_prepare_v2(sqlite3*, const char*, int, sqlite3_stmt**, const char**);
int sqlite3_step(sqlite3_stmt*);
int sqlite3_finalize(sqlite3_stmt*);
int sqlite3_column_count(sqlite3_stmt*);
int sqlite3_column_type(sqlite3_stmt*, int);
const void *sqlite3_column_blob(sqlite3_stmt*, int);
int sqlite3_column_bytes(sqlite3_stmt*, int);
int sqlite3_blob_open(sqlite3*, const char*, const char*, const char*, sqlite3_int64, int, sqlite3_blob**);
int sqlite3_blob_read(sqlite3_blob*, void*, int, int);
int sqlite3_blob_write(sqlite3_blob*, const void*, int, int);
int sqlite3_blob_bytes(sqlite3_blob*);
int sqlite3_blob_close(sqlite3_blob*);
sqlite3_backup *sqlite3_backup_init(sqlite3*, const char*, sqlite3*, const char*);
int sqlite3_backup_step(sqlite3_backup*, int);
int sqlite3_backup_finish(sqlite3_backup*);
int sqlite3_extended_errcode(sqlite3*);
int sqlite3_extended_result_codes(sqlite3*, int);

int sqlapi_open(const char *zUri, sqlite3 **ppDb){
  int rc = sqlite3_open_v2(zUri, ppDb,
      SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE|SQLITE_OPEN_URI|SQLITE_OPEN_FULLMUTEX, 0);
  if( *ppDb ){
    if( rc ) rc = sqlite3_extended_errcode(*ppDb);
    sqlite3_extended_result_codes(*ppDb, 1);
  }
  return rc;
}

int sqlapi_exec(sqlite3 *db, const char *zSql){
  return sqlite3_exec(db, zSql, 0, 0, 0);
}

static int lastColumn(void *p, int n, char **azVal, char **azName){
  Text *t = p;
  (void)azName;
  if( n>0 && azVal[n-1] ) snprintf(t->z, sizeof(t->z), "%s", azVal[n-1]);
  return 0;
}

int sqlapi_text(sqlite3 *db, const char *zSql, Text *pOut){
  pOut->z[0] = 0;
  return sqlite3_exec(db, zSql, lastColumn, pOut, 0);
}

int sqlapi_digest(sqlite3 *db, const char *zSql, uint64_t *pHash){
  sqlite3_stmt *p = 0;
  int rc = sqlite3_prepare_v2(db, zSql, -1, &p, 0);
  if( rc ) return rc;
  while( (rc = sqlite3_step(p))==SQLITE_ROW ){
    int i, n = sqlite3_column_count(p);
    for(i=0; i<n; i++){
      const unsigned char *z = sqlite3_column_blob(p, i);
      int k, nByte = sqlite3_column_bytes(p, i);
      uint64_t h = *pHash ^ (uint64_t)(sqlite3_column_type(p, i)*256 + nByte);
      for(k=0; k+8<=nByte; k+=8){
        uint64_t w;
        memcpy(&w, z+k, 8);
        h = (h ^ w) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
      }
      for(; k<nByte; k++) h = (h ^ z[k]) * 1099511628211u;
      *pHash = h * 1099511628211u + 1;
    }
  }
  if( rc==SQLITE_DONE ) return sqlite3_finalize(p);
  sqlite3_finalize(p);
  return rc;
}

/* Changes the blob of one row from front to end, a piece at a time, after having read it. */
int sqlapi_blob(sqlite3 *db, const char *zTable, const char *zColumn, sqlite3_int64 iRow, int bWrite){
  sqlite3_blob *p = 0;
  char a[1000];
  int i, n, rc2;
  int rc = sqlite3_blob_open(db, "main", zTable, zColumn, iRow, bWrite, &p);
  if( rc ) return rc;
  n = sqlite3_blob_bytes(p);
  for(i=0; i<n && rc==SQLITE_OK; i+=sizeof(a)){
    int m = n-i<(int)sizeof(a) ? n-i : (int)sizeof(a), k;
    rc = sqlite3_blob_read(p, a, m, i);
    for(k=0; k<m; k++) a[k] ^= 0x5a;
    if( rc==SQLITE_OK && bWrite ) rc = sqlite3_blob_write(p, a, m, i);
  }
  rc2 = sqlite3_blob_close(p);
  return rc ? rc : rc2;
}

/* Copies pFrom over pTo with the backup API. */
int sqlapi_backup(sqlite3 *pTo, sqlite3 *pFrom){
  sqlite3_backup *p = sqlite3_backup_init(pTo, "main", pFrom, "main");
  int rc, rc2;
  if( p==0 ) return sqlite3_extended_errcode(pTo);
  while( (rc = sqlite3_backup_step(p, 3))==SQLITE_OK ){}
  rc2 = sqlite3_backup_finish(p);
  return rc==SQLITE_DONE ? rc2 : rc;
}

/*************************************************** writes that fail *****/

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

sqlite3_vfs *sqlite3_vfs_find(const char*);

/* The files whose writes fail, by inode. */
static struct {
  pthread_mutex_t lock;
  WriteFault a[64];
} faults = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Whether this write fails: errno, or 0. */
static int writeFault(int fd){
  struct stat st;
  int i, e = 0;
  if( fstat(fd, &st) ) return 0;
  pthread_mutex_lock(&faults.lock);
  for(i=0; i<64; i++){
    WriteFault *p = &faults.a[i];
    if( p->bUsed==0 || p->iInode!=(uint64_t)st.st_ino || p->iDev!=(uint64_t)st.st_dev ) continue;
    p->nWrite++;
    if( p->nWrite==p->k || (p->bSticky && p->nWrite>p->k) ){
      if( p->iErrno==0 ) kill(getpid(), SIGKILL);
      e = p->iErrno;
      p->nHit++;
    }
  }
  pthread_mutex_unlock(&faults.lock);
  return e;
}

static ssize_t faultyPwrite(int fd, const void *p, size_t n, off_t iOfst){
  int e = writeFault(fd);
  if( e ){
    errno = e;
    return -1;
  }
  return pwrite(fd, p, n, iOfst);
}

int sqlapi_intercept(void){
  sqlite3_vfs *p = sqlite3_vfs_find("unix");
  int rc = p->xSetSystemCall(p, "pwrite", (sqlite3_syscall_ptr)faultyPwrite);
  return rc ? rc : p->xSetSystemCall(p, "pwrite64", (sqlite3_syscall_ptr)faultyPwrite);
}

int sqlapi_fail_writes(uint64_t iDev, uint64_t iInode, int k, int bSticky, int iErrno){
  int i, slot = -1;
  pthread_mutex_lock(&faults.lock);
  for(i=0; i<64 && slot<0; i++) if( !faults.a[i].bUsed ) slot = i;
  if( slot>=0 ) faults.a[slot] = (WriteFault){ 1, iDev, iInode, k, bSticky, iErrno, 0, 0 };
  pthread_mutex_unlock(&faults.lock);
  return slot;
}

WriteFault sqlapi_writes(int slot, int bEnd){
  WriteFault f;
  pthread_mutex_lock(&faults.lock);
  f = faults.a[slot];
  if( bEnd ) faults.a[slot].bUsed = 0;
  pthread_mutex_unlock(&faults.lock);
  return f;
}
