/*
** HYDRANT VFS
**
** A VFS shim over SQLite's own "unix" VFS. A main database that is a clone is read, written,
** truncated and synced through the clone; everything else, its locks, its shared memory, its
** journals, all temporary files, all other databases, is the unix VFS's, which is not told.
**
** BUILDING
**
** cgo compiles it. Nothing of SQLite is linked: see sqlite3abi.h. C11 and POSIX are needed.
**
** USING
**
** hydrant_use_api(), then hydrant_register(). The VFS is never the default one.
**
** HOW A FILE IS MADE
**
** A file object is the parent's own, with ours, a HydrantFile, behind it. The parent's xOpen makes
** its part; then the pointer to its methods is replaced by one to a copy of that table in which
** the slots that we care for are ours. So what we do not care for costs nothing and needs no
** pass-through, and version and empty slots are the parent's, whatever they are (with nolock=1
** the unix VFS has version 3 without shared memory). The unix VFS never looks at its own pointer.
**
**    main database, plain     xClose and xFileControl are ours
**    main database, clone     and what is in the table at "Methods of a clone"
**    main database, no copy   all methods are ours, there is no file (dest=memory)
**    main database, stub      all methods are ours, there is no file: it says why
**    side files of a clone    the parent's, under another name while the guard stands
**    super-journal            xWrite is ours: it adds the names that side files have
**    anything else            the parent's
**
** THE FAST PATH
**
** Reads of local pages, writes of pages that were written before, and everything once the clone
** is complete, never leave C: they look at the clone's shared memory, whose contract is clone.View
** in Go, and call the parent. All else is decided in Go.
**
** Without permission to write to a clone all of it is asked of Go: see clone.Reader there.
**
** THE GUARD
**
** While a clone is incomplete its first 16 bytes on disk are a guard, so that nobody else takes it
** for a database. Readers here get the logical ones laid over. Its journal and WAL have private
** names, because SQLite plays them back before it looks at the database. When the clone is
** complete they are renamed: whoever is about to use a name asks Go, which holds it still. The
** exception is xAccess, which is called in every transaction: with the phase live before and after
** the look, no renaming can have come in between.
**
** LIMITATIONS
**
** In a child that was forked after registration Go does not run. There, plain databases work,
** local pages are served, and everything else fails with a line in SQLite's log. The child closes
** the state files that it has inherited: the locks on them are the parent's, and would outlive it
** for as long as any copy of their descriptors is open. The shared memory stays mapped.
**
** The callback for SQLite's log must be thread-safe, as SQLite demands of programs with several
** threads, also in a program that has a single one: we have threads, and one of them opens a
** connection to the database when the clone is about to be completed. Our own lines wait for a call
** from the program's thread, and where SQLite would log that a lock was refused it is asked for below
** SQLite. But what SQLite itself finds worth a line in that connection it logs there and then: a
** journal that it rolls back, a WAL that it recovers, an error, memory that is out.
*/
#include "hydrantint.h"
#include "_cgo_export.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct HydrantVfs HydrantVfs;
typedef struct HydrantFile HydrantFile;
typedef struct HydrantMethods HydrantMethods;
typedef struct HydrantDb HydrantDb;

/* A registered VFS. There may be several, all over one parent. */
struct HydrantVfs {
  sqlite3_vfs base;
  uintptr_t hGo;               /* handle of the options */
};

/* What lies behind the parent's part of each file that is ours. */
struct HydrantFile {
  const sqlite3_io_methods *pReal; /* the parent's methods */
  HydrantClone *pClone;        /* what serves it, 0 for none */
  HydrantDb *pDb;              /* its entry in the registry, 0 for none */
  sqlite3 **ppDb;              /* the connection, once SQLite has said which */
  char *zText;                 /* stub: what to say. Renamed journal: its name. From malloc() */
  const char *zPath;           /* as given to xOpen, lives as long as the file */
  int bPrivate;                /* opened by ourselves: not a user of pClone */
  int eLock;                   /* the lock it holds */
  int bWal;                    /* it is in WAL mode … */
  int nShm;                    /* … and holds so many locks there */
  int bBusy;                   /* counted in pClone->nBusy */
  sqlite3_int64 nSuper;        /* super-journal: bytes written */
};

/* The methods of a file: those in base, behind which the real ones can be found again. */
struct HydrantMethods {
  sqlite3_io_methods base;
  const sqlite3_io_methods *pReal;
  int eKind;
};
#define KIND_PLAIN 1
#define KIND_CLONE 2
#define KIND_NAMED 3 /* a renamed journal that owns its name */
#define KIND_SUPER 4 /* a super-journal that is being written */

/*
** An open main database, by name, so that its side files can be told from others. One entry for
** all files with the same name and clone.
*/
struct HydrantDb {
  HydrantDb *pNext;            /* in the same bucket */
  unsigned iHash;
  int nRef;
  int bClone;                  /* 0: plain. pClone without pHead: there is no file */
  HydrantClone *pClone;
  size_t nPath;
  char *zPath;                 /* nPath bytes behind this struct */
};

HydrantApi hydrantApi;
__thread int hydrantOurs;
static sqlite3_vfs *pParent;   /* "unix" */
static int szParent;           /* bytes of its file object, rounded up */
static pid_t iPid;             /* the process that registered us */

static struct {
  pthread_rwlock_t lock;       /* guards the rest; never held across a call into Go */
  HydrantDb *aBucket[64];
  HydrantMethods aMethods[16];
  int nMethods;
} registry = { .lock = PTHREAD_RWLOCK_INITIALIZER };

#define FILE_OF(pFile) ((HydrantFile*)((char*)(pFile)+szParent))
#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)

int hydrantForked(void){
  return getpid()!=iPid;
}

/************************************************************ log *****/

/* A line that was born in a thread of ours, and waits for one of the program's. */
typedef struct LogLine LogLine;
struct LogLine {
  LogLine *pNext;              /* born before it */
  int rc;
  char *zText;                 /* behind this struct */
};
static LogLine *pWaiting;      /* atomic: pushed one by one, taken all at once */

static int fdLog = -1;         /* where lines go as well, -1: nowhere */

/* From now on lines go to this file, too, at once and whichever thread they come from. */
void hydrant_log_to(int fd){
  __atomic_store_n(&fdLog, fd, __ATOMIC_RELAXED);
}

/* Writes a line to SQLite's log. Without memory to keep it, one of a thread of ours is dropped. */
void hydrant_log(int rc, const char *zText){
  LogLine *p;
  int fd = __atomic_load_n(&fdLog, __ATOMIC_RELAXED);
  if( fd>=0 ) dprintf(fd, "%s\n", zText);
  if( hydrantOurs==0 ){
    hydrantApi.log(rc, "%s", zText);
    return;
  }
  p = malloc(sizeof(*p)+strlen(zText)+1);
  if( p==0 ) return;
  p->rc = rc;
  p->zText = strcpy((char*)&p[1], zText);
  p->pNext = __atomic_load_n(&pWaiting, __ATOMIC_RELAXED);
  while( !__atomic_compare_exchange_n(&pWaiting, &p->pNext, p, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED) ){}
}

/* To be called where a thread of the program's comes by. */
static void logWaiting(void){
  LogLine *p, *pNext, *pFirst = 0;
  if( __atomic_load_n(&pWaiting, __ATOMIC_RELAXED)==0 || hydrantOurs ) return;
  for(p=__atomic_exchange_n(&pWaiting, (LogLine*)0, __ATOMIC_ACQUIRE); p; p=pNext){
    pNext = p->pNext;
    p->pNext = pFirst;
    pFirst = p;
  }
  for(p=pFirst; p; p=pNext){
    pNext = p->pNext;
    hydrantApi.log(p->rc, "%s", p->zText);
    free(p);
  }
}

/* Logs what cannot be done in a forked child, and returns it as text from malloc(), 0 without memory. */
static char *forkedText(int rc, const char *zWhat, const char *zPath){
  static const char zFormat[] =
      "hydrant: %s %s: not in a forked child; open it again after exec, or fork first";
  size_t n = sizeof(zFormat) + strlen(zWhat) + strlen(zPath);
  char *z = malloc(n);
  if( z==0 ) return 0;
  snprintf(z, n, zFormat, zWhat, zPath);
  hydrant_log(rc, z);
  return z;
}

static int forkedError(int rc, const char *zWhat, const char *zPath){
  free(forkedText(rc, zWhat, zPath));
  return rc;
}

/*
** Up to 3.51.2, and but for two branches that were mended, SQLite could corrupt a database when a
** WAL is begun anew while another connection is checkpointing it. Says so, once.
*/
static void warnOfWal(void){
  static int bDone;
  int v;
  if( __atomic_exchange_n(&bDone, 1, __ATOMIC_RELAXED) ) return;
  v = hydrantApi.libversion_number();
  if( v>=3051003 || (v>=3050007 && v<3051000) || (v>=3044006 && v<3045000) ) return;
  hydrant_log(SQLITE_WARNING, "hydrant: this SQLite is older than 3.51.3 (and not 3.50.7 or 3.44.6): "
      "several connections that write in WAL mode can, rarely, corrupt a database; "
      "see https://sqlite.org/wal.html");
}

/************************************************************ registry *****/

static unsigned hashName(const char *z, size_t n){
  unsigned h = 2166136261u;
  while( n-- ) h = (h ^ (unsigned char)*z++) * 16777619u;
  return h;
}

/* The entry for the database with this name, a clone before a plain one; 0 for none. Needs the lock. */
static HydrantDb *dbFind(const char *zPath, size_t nPath){
  unsigned h = hashName(zPath, nPath);
  HydrantDb *p, *pPlain = 0;
  for(p=registry.aBucket[h%64]; p; p=p->pNext){
    if( p->iHash!=h || p->nPath!=nPath || memcmp(p->zPath, zPath, nPath)!=0 ) continue;
    if( p->bClone ) return p;
    pPlain = p;
  }
  return pPlain;
}

/* Enters a database; 0 when memory is out. */
static HydrantDb *dbEnter(const char *zPath, HydrantClone *pClone){
  size_t nPath = strlen(zPath);
  unsigned h = hashName(zPath, nPath);
  HydrantDb *p;
  pthread_rwlock_wrlock(&registry.lock);
  for(p=registry.aBucket[h%64]; p; p=p->pNext){
    if( p->pClone==pClone && p->nPath==nPath && memcmp(p->zPath, zPath, nPath)==0 ) break;
  }
  if( p==0 && (p = malloc(sizeof(*p)+nPath+1))!=0 ){
    memset(p, 0, sizeof(*p));
    p->iHash = h;
    p->bClone = pClone!=0;
    p->pClone = pClone;
    p->nPath = nPath;
    p->zPath = (char*)&p[1];
    memcpy(p->zPath, zPath, nPath+1);
    p->pNext = registry.aBucket[h%64];
    registry.aBucket[h%64] = p;
  }
  if( p ) p->nRef++;
  pthread_rwlock_unlock(&registry.lock);
  return p;
}

static void dbLeave(HydrantDb *pDb){
  HydrantDb **pp;
  if( pDb==0 ) return;
  pthread_rwlock_wrlock(&registry.lock);
  if( --pDb->nRef==0 ){
    for(pp=&registry.aBucket[pDb->iHash%64]; *pp!=pDb; pp=&(*pp)->pNext){}
    *pp = pDb->pNext;
    free(pDb);
  }
  pthread_rwlock_unlock(&registry.lock);
}

/************************************************** what is local, and set *****/

static int bitSet(const uint64_t *aWord, uint64_t i){
  return (LOAD(aWord[i>>6]) >> (i&63)) & 1;
}

/* True when the clone is complete and nobody keeps maps: then it is a file as any other. */
static int isStraight(const HydrantClone *p){
  return LOAD(p->pHead->ePhase)==HYDRANT_COMPLETE
      && LOAD(p->pHead->bHold)==0
      && LOAD(p->pHead->eMode)==HYDRANT_RW;
}

/* True when every region of [iOfst, iOfst+n) is in the local file. */
static int isLocal(const HydrantClone *p, sqlite3_int64 iOfst, sqlite3_int64 n){
  uint64_t i = (uint64_t)iOfst >> p->iShift;
  uint64_t iEnd = ((uint64_t)(iOfst+n-1) >> p->iShift) + 1;
  if( LOAD(p->pHead->eMode)>=HYDRANT_FAILED ) return 0;
  if( iEnd>p->nRegion ) iEnd = p->nRegion;
  for(; i<iEnd; i++){
    if( !bitSet(p->aHydrated, i) && !bitSet(p->aWritten, i) ) return 0;
  }
  return 1;
}

/* True the first time for each region, while the clone is incomplete and somebody wants to know. */
static int isNew(const HydrantClone *p, sqlite3_int64 iOfst){
  HydrantTouches *t = p->pTouch;
  uint64_t i = (uint64_t)iOfst >> p->iShift;
  uint64_t *pWord, mask = (uint64_t)1 << (i&63);
  if( t==0 || LOAD(p->pHead->ePhase)==HYDRANT_COMPLETE || i>=p->nRegion ) return 0;
  pWord = &t->aSeen[(i & (t->nSeen-1))>>6];
  if( LOAD(*pWord) & mask ) return 0;
  return (__atomic_fetch_or(pWord, mask, __ATOMIC_RELAXED) & mask)==0;
}

/*
** Notes that [iOfst, iOfst+n) was read. With no room left it is forgotten: Go takes what is here once a
** second, and whenever something is read that is not local.
*/
static void note(const HydrantClone *p, sqlite3_int64 iOfst, sqlite3_int64 n){
  HydrantTouches *t = p->pTouch;
  uint64_t i = (uint64_t)iOfst >> p->iShift;
  uint64_t nReg = ((uint64_t)(iOfst+n-1) >> p->iShift) + 1 - i;
  uint64_t k = LOAD(t->iNext);
  do{
    if( k-LOAD(t->iTaken)>=HYDRANT_NTOUCH ) return;
  }while( !__atomic_compare_exchange_n(&t->iNext, &k, k+1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) );
  __atomic_store_n(&t->aTouch[k%HYDRANT_NTOUCH], i<<16 | (nReg<0xffff ? nReg : 0xffff), __ATOMIC_RELEASE);
}

/*
** True when a read at iOfst that came short may be of a file that somebody else has cut: Go knows
** how short the file may be.
*/
static int isCutShort(const HydrantClone *p, sqlite3_int64 iOfst){
  return (uint64_t)iOfst >> p->iShift < p->nRegion && LOAD(p->pHead->ePhase)!=HYDRANT_COMPLETE;
}

/*
** True when a write of n bytes changes no bit, so that Go need not know of it:
**   (1) nothing forbids writing,
**   (2) it does not touch bytes that the guard stands for, and
**   (3) every region of it is known to have been changed.
*/
static int isMarked(const HydrantClone *p, sqlite3_int64 iOfst, sqlite3_int64 n){
  uint64_t i = (uint64_t)iOfst >> p->iShift;
  uint64_t iEnd = ((uint64_t)(iOfst+n-1) >> p->iShift) + 1;
  if( LOAD(p->pHead->eMode)!=HYDRANT_RW ) return 0;                             /* (1) */
  if( iOfst<HYDRANT_NFIRST && LOAD(p->pHead->ePhase)!=HYDRANT_COMPLETE ) return 0; /* (2) */
  if( iEnd>p->nRegion ) iEnd = p->nRegion;
  for(; i<iEnd; i++){
    if( !bitSet(p->aWritten, i) || !bitSet(p->aDirty, i) ) return 0;            /* (3) */
  }
  return 1;
}

/* Lays the logical first bytes over what was read at iOfst. */
static void overlayFirst(const HydrantClone *p, char *aBuf, int n, sqlite3_int64 iOfst){
  int i;
  for(i=0; i<2*8; i++){
    uint64_t w = LOAD(p->pHead->aFirst[i/8]);
    if( i>=iOfst && i-iOfst<n ) aBuf[i-iOfst] = (char)(w >> (8*(i%8)));
  }
}

/********************************************************* methods of a clone *****/

static sqlite3 *dbOf(HydrantFile *p){
  return p->ppDb ? *p->ppDb : 0;
}

static int hydrantClose(sqlite3_file *pFile){
  HydrantFile f = *FILE_OF(pFile);
  int rc;
  pFile->pMethods = f.pReal;
  rc = f.pReal->xClose(pFile);
  pFile->pMethods = 0;
  if( f.bBusy ) __atomic_sub_fetch(&f.pClone->nBusy, 1, __ATOMIC_SEQ_CST);
  dbLeave(f.pDb);
  if( f.pClone && !f.bPrivate && !hydrantForked() ) hydrantGoClose(f.pClone->hGo);
  free(f.zText);
  logWaiting();
  return rc;
}

static int hydrantRead(sqlite3_file *pFile, void *pBuf, int n, sqlite3_int64 iOfst){
  HydrantFile *p = FILE_OF(pFile);
  HydrantClone *c = p->pClone;
  int bGuard, rc;
  if( c->bReader || !isLocal(c, iOfst, n) ){
    if( hydrantForked() ) return forkedError(SQLITE_IOERR_READ, "read", p->zPath);
    (void)isNew(c, iOfst);  /* Go notes it */
    return hydrantGoRead(c->hGo, dbOf(p), pBuf, n, iOfst);
  }
  if( !p->bPrivate && isNew(c, iOfst) ) note(c, iOfst, n);
  /* Asked before the read: a guard that falls during it leaves what the overlay says. */
  bGuard = iOfst<HYDRANT_NFIRST && LOAD(c->pHead->ePhase)!=HYDRANT_COMPLETE;
  rc = p->pReal->xRead(pFile, pBuf, n, iOfst);
  if( rc==SQLITE_IOERR_SHORT_READ && isCutShort(c, iOfst) && !hydrantForked() ){
    return hydrantGoRead(c->hGo, dbOf(p), pBuf, n, iOfst);
  }
  if( bGuard && (rc==SQLITE_OK || rc==SQLITE_IOERR_SHORT_READ) ){
    overlayFirst(c, pBuf, n, iOfst);
  }
  return rc;
}

static int hydrantWrite(sqlite3_file *pFile, const void *pBuf, int n, sqlite3_int64 iOfst){
  HydrantFile *p = FILE_OF(pFile);
  HydrantClone *c = p->pClone;
  if( c->bReader ) return SQLITE_READONLY;
  if( isStraight(c) || isMarked(c, iOfst, n) ) return p->pReal->xWrite(pFile, pBuf, n, iOfst);
  if( hydrantForked() ) return forkedError(SQLITE_IOERR_WRITE, "write", p->zPath);
  return hydrantGoWrite(c->hGo, dbOf(p), (void*)pBuf, n, iOfst);
}

/* The parent cuts as well, though nothing is left to cut: it keeps the size of its mapping. */
static int hydrantTruncate(sqlite3_file *pFile, sqlite3_int64 nByte){
  HydrantFile *p = FILE_OF(pFile);
  if( p->pClone->bReader ) return SQLITE_READONLY;
  if( !isStraight(p->pClone) ){
    int rc;
    if( hydrantForked() ) return forkedError(SQLITE_IOERR_TRUNCATE, "truncate", p->zPath);
    rc = hydrantGoTruncate(p->pClone->hGo, dbOf(p), nByte);
    if( rc ) return rc;
  }
  return p->pReal->xTruncate(pFile, nByte);
}

static int hydrantSync(sqlite3_file *pFile, int flags){
  HydrantFile *p = FILE_OF(pFile);
  const HydrantHeader *h = p->pClone->pHead;
  if( p->pClone->bReader ) return SQLITE_OK; /* nothing was written; and see dest.Onlooker in Go */
  if( !isStraight(p->pClone) && (LOAD(h->nMark)!=LOAD(h->nSynced) || LOAD(h->eMode)!=HYDRANT_RW) ){
    int rc;
    if( hydrantForked() ) return forkedError(SQLITE_IOERR_FSYNC, "sync", p->zPath);
    rc = hydrantGoSync(p->pClone->hGo, dbOf(p));
    if( rc ) return rc;
  }
  return p->pReal->xSync(pFile, flags);
}

/*
** Whoever completes the clone needs SQLite's locks for a few milliseconds. A connection that is
** the only one of its process would not expect to be told that the database is locked, and where
** SQLite does not ask the busy handler it would be. So the connections of this process wait at a
** gate before they take a lock: all of them while it is shut, and while it drains those that hold
** no lock, so that the others come to their end. It is shut only around attempts that do not wait
** for anybody. A forked child that inherited a shut gate does not wait at all.
*/
static struct {
  pthread_mutex_t lock;
  pthread_cond_t moved;
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

/*
** When it returns from shutting the gate, whoever passed before has the lock or was refused it:
** each counts itself before it looks at the gate, and we look at the count after we moved that.
** Returns how many connections are inside a transaction. With any of them there is no use in
** trying, and harm: emptying the WAL under a reader would keep it from becoming a writer.
*/
int hydrant_gate(HydrantClone *p, int eGate){
  pthread_mutex_lock(&gate.lock);
  __atomic_store_n(&p->eGate, eGate, __ATOMIC_SEQ_CST);
  pthread_cond_broadcast(&gate.moved);
  pthread_mutex_unlock(&gate.lock);
  while( eGate==HYDRANT_SHUT && __atomic_load_n(&p->nLocking, __ATOMIC_SEQ_CST)>0 ) sched_yield();
  return __atomic_load_n(&p->nBusy, __ATOMIC_SEQ_CST);
}

/*
** Whether a file is inside a transaction. A connection in WAL mode has a shared lock on the file
** all the time: there it is the locks in shared memory that count.
*/
static int isBusy(const HydrantFile *p){
  return p->bWal ? p->nShm>0 : p->eLock>SQLITE_LOCK_NONE;
}

/* Whether there is still a gate to pass. */
static int hasGate(const HydrantFile *p){
  return __atomic_load_n(&p->pClone->eGate, __ATOMIC_ACQUIRE)!=HYDRANT_GONE;
}

/* To be called when any of that has changed. */
static void noteBusy(HydrantFile *p){
  int bBusy = isBusy(p) && !p->bPrivate;
  if( bBusy!=p->bBusy ) __atomic_add_fetch(&p->pClone->nBusy, bBusy - p->bBusy, __ATOMIC_SEQ_CST);
  p->bBusy = bBusy;
}

static int mayPass(const HydrantFile *p){
  switch( __atomic_load_n(&p->pClone->eGate, __ATOMIC_SEQ_CST) ){
    case HYDRANT_OPEN:
    case HYDRANT_GONE:  return 1;
    case HYDRANT_DRAIN: if( isBusy(p) ) return 1;
  }
  return p->bPrivate || hydrantForked();
}

/* To be called before a lock is asked for, and leaveGate() when that has been answered. */
static void passGate(const HydrantFile *p){
  for(;;){
    __atomic_add_fetch(&p->pClone->nLocking, !p->bPrivate, __ATOMIC_SEQ_CST);
    if( mayPass(p) ) return;
    __atomic_sub_fetch(&p->pClone->nLocking, !p->bPrivate, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&gate.lock);
    while( !mayPass(p) ) pthread_cond_wait(&gate.moved, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
  }
}

static void leaveGate(const HydrantFile *p){
  __atomic_sub_fetch(&p->pClone->nLocking, !p->bPrivate, __ATOMIC_SEQ_CST);
}

/*
** A clone that has become read-only says so before a transaction has written to its journal: what
** is in there could not be rolled back either, and then nothing could be read.
*/
#define WAL_WRITE_LOCK 0 /* byte of the shared memory's locks, part of its format */

static int mayWrite(const HydrantClone *p){
  return !p->bReader && LOAD(p->pHead->eMode)==HYDRANT_RW;
}

static int hydrantLock(sqlite3_file *pFile, int eLock){
  HydrantFile *p = FILE_OF(pFile);
  int rc;
  logWaiting();
  if( eLock>=SQLITE_LOCK_RESERVED && !mayWrite(p->pClone) ){
    if( !hydrantForked() ) hydrantGoRefused(p->pClone->hGo);
    return SQLITE_READONLY;
  }
  if( !hasGate(p) ) return p->pReal->xLock(pFile, eLock);
  passGate(p);
  rc = p->pReal->xLock(pFile, eLock);
  if( rc==SQLITE_OK && eLock>p->eLock ) p->eLock = eLock;
  noteBusy(p);
  leaveGate(p);
  return rc;
}

static int hydrantUnlock(sqlite3_file *pFile, int eLock){
  HydrantFile *p = FILE_OF(pFile);
  int rc = p->pReal->xUnlock(pFile, eLock);
  if( !hasGate(p) ) return rc;
  if( eLock<p->eLock ) p->eLock = eLock;
  noteBusy(p);
  return rc;
}

/*
** In WAL mode a transaction that is to write has the lock of a reader when it asks for that of the
** writer. Without a reader's lock it is a recovery of the index that wants it, which reading needs.
*/
static int isWalWrite(const HydrantFile *p, int iOfst, int flags){
  return iOfst==WAL_WRITE_LOCK && p->nShm>0
      && (flags & (SQLITE_SHM_LOCK|SQLITE_SHM_EXCLUSIVE))==(SQLITE_SHM_LOCK|SQLITE_SHM_EXCLUSIVE);
}

static int hydrantShmLock(sqlite3_file *pFile, int iOfst, int n, int flags){
  HydrantFile *p = FILE_OF(pFile);
  int bWait = (flags & SQLITE_SHM_LOCK) && hasGate(p);
  int rc;
  logWaiting();
  if( !mayWrite(p->pClone) && isWalWrite(p, iOfst, flags) ){
    if( !hydrantForked() ) hydrantGoRefused(p->pClone->hGo);
    return SQLITE_READONLY;
  }
  if( bWait ){
    if( !p->bWal ) warnOfWal();
    p->bWal = 1;
    passGate(p);
  }
  rc = p->pReal->xShmLock(pFile, iOfst, n, flags);
  if( rc==SQLITE_OK ) p->nShm += flags & SQLITE_SHM_LOCK ? n : -n;
  if( hasGate(p) ) noteBusy(p);
  if( bWait ) leaveGate(p);
  return rc;
}

static int hydrantShmUnmap(sqlite3_file *pFile, int bDelete){
  HydrantFile *p = FILE_OF(pFile);
  p->bWal = p->nShm = 0;
  noteBusy(p);
  return p->pReal->xShmUnmap(pFile, bDelete);
}

/* A batch that is rolled back would leave bits over what was never written. */
static int hydrantDeviceCharacteristics(sqlite3_file *pFile){
  int m = FILE_OF(pFile)->pReal->xDeviceCharacteristics(pFile);
  int i;
  for(i=SQLITE_IOCAP_ATOMIC; i<=SQLITE_IOCAP_ATOMIC64K; i<<=1) m &= ~i;
  return m & ~SQLITE_IOCAP_BATCH_ATOMIC;
}

/* A page that is not there, or that has the guard in it, is to be read instead. */
static int hydrantFetch(sqlite3_file *pFile, sqlite3_int64 iOfst, int n, void **pp){
  HydrantFile *p = FILE_OF(pFile);
  HydrantClone *c = p->pClone;
  *pp = 0;
  if( c->bReader ) return SQLITE_OK;
  if( LOAD(c->pHead->ePhase)!=HYDRANT_COMPLETE && iOfst<HYDRANT_NFIRST ) return SQLITE_OK;
  if( !isLocal(c, iOfst, n) ) return SQLITE_OK;
  return p->pReal->xFetch(pFile, iOfst, n, pp);
}

static void fillAsker(HydrantFile *p, HydrantAsker *pOut){
  pOut->pClone = p->pClone;
  pOut->zPath = p->zPath;
  pOut->zStub = 0;
  pOut->db = dbOf(p);
}

/* For plain databases, and for clones. */
static int hydrantFileControl(sqlite3_file *pFile, int op, void *pArg){
  HydrantFile *p = FILE_OF(pFile);
  HydrantAsker asker;
  int rc;
  switch( op ){
    case HYDRANT_FCNTL_ASKER:
      fillAsker(p, (HydrantAsker*)pArg);
      return SQLITE_OK;
    case SQLITE_FCNTL_PDB:
      p->ppDb = (sqlite3**)pArg;
      break;
    case SQLITE_FCNTL_PRAGMA:
      fillAsker(p, &asker);
      rc = hydrantPragma(&asker, (char**)pArg);
      if( rc!=SQLITE_NOTFOUND ) return rc;
      break;
    case SQLITE_FCNTL_OVERWRITE:
      if( p->pClone && !hydrantForked() ) hydrantGoOverwrite(p->pClone->hGo);
      break;
  }
  rc = p->pReal->xFileControl(pFile, op, pArg);
  if( rc==SQLITE_OK && op==SQLITE_FCNTL_VFSNAME ){
    *(char**)pArg = hydrantApi.mprintf("hydrant/%z", *(char**)pArg);
  }
  return rc;
}

static size_t baseLength(const char *zPath);

/* The private name of a journal whose public one is zPath, from mprintf(); *pz is 0 if it has none. */
static int privateJournal(const char *zPath, char **pz){
  size_t nBase = baseLength(zPath);
  HydrantDb *pDb;
  int rc = SQLITE_OK;
  *pz = 0;
  pthread_rwlock_rdlock(&registry.lock);
  pDb = dbFind(zPath, nBase);
  if( pDb && pDb->pClone && pDb->pClone->pHead && LOAD(pDb->pClone->pHead->ePhase)!=HYDRANT_COMPLETE ){
    *pz = hydrantApi.mprintf("%s", pDb->pClone->zJournal);
    if( *pz==0 ) rc = SQLITE_IOERR_NOMEM;
  }
  pthread_rwlock_unlock(&registry.lock);
  return rc;
}

/*
** A super-journal is a list of journals, each write one name. Whoever rolls back one of them
** deletes the super-journal when it finds none of the others, and with it the word that those are
** to be rolled back, too. A stranger would not find a clone's journal by its public name; so the
** private one follows it. Names of what is not there do no harm.
*/
static int superWrite(sqlite3_file *pFile, const void *pBuf, int n, sqlite3_int64 iOfst){
  HydrantFile *p = FILE_OF(pFile);
  char *zPrivate = 0;
  int rc = p->pReal->xWrite(pFile, pBuf, n, p->nSuper);
  (void)iOfst;
  if( rc ) return rc;
  p->nSuper += n;
  if( n<1 || ((const char*)pBuf)[n-1]!=0 ) return SQLITE_OK;
  rc = privateJournal(pBuf, &zPrivate);
  if( zPrivate ){
    n = (int)strlen(zPrivate)+1;
    rc = p->pReal->xWrite(pFile, zPrivate, n, p->nSuper);
    p->nSuper += n;
    hydrantApi.free(zPrivate);
  }
  return rc;
}

/*
** Makes methods out of the parent's for a file of this kind, once for each pair of them; 0 when
** there is no room, which with the parents known (two tables of the unix VFS) cannot be.
*/
static const HydrantMethods *methodsFor(const sqlite3_io_methods *pReal, int eKind){
  HydrantMethods *p = 0;
  int i;
  pthread_rwlock_wrlock(&registry.lock);
  for(i=0; i<registry.nMethods; i++){
    p = &registry.aMethods[i];
    if( p->pReal==pReal && p->eKind==eKind ) goto done;
  }
  p = 0;
  if( registry.nMethods==sizeof(registry.aMethods)/sizeof(registry.aMethods[0]) ) goto done;
  p = &registry.aMethods[registry.nMethods++];
  p->pReal = pReal;
  p->eKind = eKind;
  memcpy(&p->base, pReal,
      pReal->iVersion>=3 ? sizeof(p->base) :
      pReal->iVersion==2 ? offsetof(sqlite3_io_methods, xFetch) :
                           offsetof(sqlite3_io_methods, xShmMap));
  if( p->base.iVersion>3 ) p->base.iVersion = 3;
  p->base.xClose = hydrantClose;
  if( eKind==KIND_NAMED ) goto done;
  if( eKind==KIND_SUPER ){
    p->base.xWrite = superWrite;
    goto done;
  }
  p->base.xFileControl = hydrantFileControl;
  if( eKind==KIND_PLAIN ) goto done;
  p->base.xRead = hydrantRead;
  p->base.xWrite = hydrantWrite;
  p->base.xTruncate = hydrantTruncate;
  p->base.xSync = hydrantSync;
  p->base.xLock = hydrantLock;
  p->base.xUnlock = hydrantUnlock;
  if( p->base.xShmLock ){
    p->base.xShmLock = hydrantShmLock;
    p->base.xShmUnmap = hydrantShmUnmap;
  }
  p->base.xDeviceCharacteristics = hydrantDeviceCharacteristics;
  if( p->base.xFetch ) p->base.xFetch = hydrantFetch;
done:
  pthread_rwlock_unlock(&registry.lock);
  return p;
}

/* Makes a file that the parent has opened ours. When it cannot, the file is closed. */
static int takeOver(sqlite3_file *pFile, int eKind, const char *zPath, HydrantClone *pClone){
  HydrantFile *p = FILE_OF(pFile);
  const HydrantMethods *pMethods = methodsFor(pFile->pMethods, eKind);
  memset(p, 0, sizeof(*p));
  p->pReal = pFile->pMethods;
  p->zPath = zPath;
  if( eKind<KIND_NAMED ) p->pDb = dbEnter(zPath, pClone);
  if( pMethods==0 || (eKind<KIND_NAMED && p->pDb==0) ){
    dbLeave(p->pDb);
    pFile->pMethods->xClose(pFile);
    pFile->pMethods = 0;
    return SQLITE_NOMEM;
  }
  p->pClone = pClone;
  pFile->pMethods = &pMethods->base;
  return SQLITE_OK;
}

/******************************************** files that are not there: methods *****/

static int noneClose(sqlite3_file *pFile){
  HydrantFile f = *FILE_OF(pFile);
  pFile->pMethods = 0;
  dbLeave(f.pDb);
  if( f.pClone && !f.bPrivate && !hydrantForked() ) hydrantGoClose(f.pClone->hGo);
  free(f.zText);
  return SQLITE_OK;
}

static int memoryRead(sqlite3_file *pFile, void *pBuf, int n, sqlite3_int64 iOfst){
  HydrantFile *p = FILE_OF(pFile);
  if( hydrantForked() ) return forkedError(SQLITE_IOERR_READ, "read", p->zPath);
  return hydrantGoRead(p->pClone->hGo, dbOf(p), pBuf, n, iOfst);
}

static int memorySize(sqlite3_file *pFile, sqlite3_int64 *pSize){
  HydrantFile *p = FILE_OF(pFile);
  if( hydrantForked() ) return forkedError(SQLITE_IOERR_FSTAT, "size of", p->zPath);
  *pSize = hydrantGoSize(p->pClone->hGo);
  return SQLITE_OK;
}

static int noneFileControl(sqlite3_file *pFile, int op, void *pArg){
  HydrantFile *p = FILE_OF(pFile);
  HydrantAsker asker;
  switch( op ){
    case HYDRANT_FCNTL_ASKER:
      fillAsker(p, (HydrantAsker*)pArg);
      ((HydrantAsker*)pArg)->zStub = p->zText;
      return SQLITE_OK;
    case SQLITE_FCNTL_PDB:
      p->ppDb = (sqlite3**)pArg;
      return SQLITE_OK;
    case SQLITE_FCNTL_VFSNAME:
      *(char**)pArg = hydrantApi.mprintf("hydrant/%s", p->zText ? "stub" : "memory");
      return SQLITE_OK;
    case SQLITE_FCNTL_PRAGMA:
      if( p->zText ){
        *(char**)pArg = hydrantApi.mprintf("%s", p->zText);
        return SQLITE_ERROR;
      }
      fillAsker(p, &asker);
      return hydrantPragma(&asker, (char**)pArg);
  }
  return SQLITE_NOTFOUND;
}

/*
** A stub is there to be asked why it is one. While SQLite opens it, which ends with file control
** PDB, it is an empty file; afterwards nothing of it can be read.
*/
static int stubRead(sqlite3_file *pFile, void *pBuf, int n, sqlite3_int64 iOfst){
  (void)iOfst;
  memset(pBuf, 0, n);
  return FILE_OF(pFile)->ppDb ? SQLITE_IOERR_READ : SQLITE_IOERR_SHORT_READ;
}
static int stubSize(sqlite3_file *pFile, sqlite3_int64 *pSize){
  *pSize = 0;
  return FILE_OF(pFile)->ppDb ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}
static int stubLock(sqlite3_file *pFile, int eLock){
  (void)pFile; (void)eLock;
  return SQLITE_IOERR_LOCK;
}

static int noneWrite(sqlite3_file *pFile, const void *pBuf, int n, sqlite3_int64 iOfst){
  (void)pFile; (void)pBuf; (void)n; (void)iOfst;
  return SQLITE_READONLY;
}
static int noneTruncate(sqlite3_file *pFile, sqlite3_int64 nByte){
  (void)pFile; (void)nByte;
  return SQLITE_READONLY;
}
static int noneInt(sqlite3_file *pFile, int i){
  (void)pFile; (void)i;
  return SQLITE_OK;
}
static int noneReservedLock(sqlite3_file *pFile, int *pOut){
  (void)pFile;
  *pOut = 0;
  return SQLITE_OK;
}
static int noneZero(sqlite3_file *pFile){
  (void)pFile;
  return 0;
}

static const sqlite3_io_methods memoryMethods = {
  1,                          /* iVersion */
  noneClose,                  /* xClose */
  memoryRead,                 /* xRead */
  noneWrite,                  /* xWrite */
  noneTruncate,               /* xTruncate */
  noneInt,                    /* xSync */
  memorySize,                 /* xFileSize */
  noneInt,                    /* xLock */
  noneInt,                    /* xUnlock */
  noneReservedLock,           /* xCheckReservedLock */
  noneFileControl,            /* xFileControl */
  noneZero,                   /* xSectorSize */
  noneZero,                   /* xDeviceCharacteristics */
  0, 0, 0, 0,                 /* xShm… */
  0, 0                        /* xFetch, xUnfetch */
};

static const sqlite3_io_methods stubMethods = {
  1,                          /* iVersion */
  noneClose,                  /* xClose */
  stubRead,                   /* xRead */
  noneWrite,                  /* xWrite */
  noneTruncate,               /* xTruncate */
  noneInt,                    /* xSync */
  stubSize,                   /* xFileSize */
  stubLock,                   /* xLock */
  noneInt,                    /* xUnlock */
  noneReservedLock,           /* xCheckReservedLock */
  noneFileControl,            /* xFileControl */
  noneZero,                   /* xSectorSize */
  noneZero,                   /* xDeviceCharacteristics */
  0, 0, 0, 0,                 /* xShm… */
  0, 0                        /* xFetch, xUnfetch */
};

/****************************************************************** names *****/

/* The length of zPath without "-journal" or "-wal"; 0 when it ends in neither. */
static size_t baseLength(const char *zPath){
  size_t n = strlen(zPath);
  if( n>8 && memcmp(&zPath[n-8], "-journal", 8)==0 ) return n-8;
  if( n>4 && memcmp(&zPath[n-4], "-wal", 4)==0 ) return n-4;
  return 0;
}

/* Which name a side file has. */
#define NAME_PUBLIC 0 /* the one that SQLite gave it */
#define NAME_NONE   1 /* there is none, and none is to be made */
#define NAME_LIVE   2 /* the private one, for as long as the phase is live */
#define NAME_ASK    3 /* Go knows */

/* For the side file zPath of the database whose name is its first nBase bytes. Needs the lock. */
static int nameOf(const char *zPath, size_t nBase, HydrantDb **ppDb){
  HydrantDb *p = *ppDb = dbFind(zPath, nBase);
  if( p==0 ) return NAME_ASK;
  if( !p->bClone ) return NAME_PUBLIC;
  if( p->pClone->bReader ) return NAME_ASK;
  if( p->pClone->pHead==0 ) return NAME_NONE;
  switch( LOAD(p->pClone->pHead->ePhase) ){
    case HYDRANT_COMPLETE: return NAME_PUBLIC;
    case HYDRANT_LIVE:     return NAME_LIVE;
  }
  return NAME_ASK;
}

/*
** As nameOf, for a call that will hold the name still by asking Go. A name whose database is not
** open here belongs to nobody's transaction: it is a child that a super-journal names. It is
** private only if there is a state file.
*/
static int nameToAsk(const char *zPath, size_t nBase){
  HydrantDb *pDb;
  int eName;
  pthread_rwlock_rdlock(&registry.lock);
  eName = nameOf(zPath, nBase, &pDb);
  pthread_rwlock_unlock(&registry.lock);
  if( eName==NAME_LIVE ) eName = NAME_ASK;
  if( pDb==0 ){
    char *zState = hydrantApi.mprintf("%.*s-hydrant", (int)nBase, zPath);
    int bThere = 1;
    if( zState ) pParent->xAccess(pParent, zState, SQLITE_ACCESS_EXISTS, &bThere);
    hydrantApi.free(zState);
    if( !bThere ) eName = NAME_PUBLIC;
  }
  return eName;
}

/* Looks for a name that is certain. False when the phase is, or came, between live and complete. */
static int accessCertain(const char *zPath, size_t nBase, int flags, int *pOut, int *pRc){
  HydrantDb *pDb;
  int bDone = 0;
  pthread_rwlock_rdlock(&registry.lock);
  switch( nameOf(zPath, nBase, &pDb) ){
    case NAME_PUBLIC: /* and so for good */
      *pRc = pParent->xAccess(pParent, zPath, flags, pOut);
      bDone = 1;
      break;
    case NAME_LIVE: {
      HydrantClone *c = pDb->pClone;
      *pRc = pParent->xAccess(pParent, zPath[nBase+1]=='w' ? c->zWal : c->zJournal, flags, pOut);
      bDone = LOAD(c->pHead->ePhase)==HYDRANT_LIVE;
      break;
    }
  }
  pthread_rwlock_unlock(&registry.lock);
  return bDone;
}

/********************************************************* methods of the VFS *****/

static int openStub(sqlite3_file *pFile, char *zError, int flags, int *pOutFlags){
  HydrantFile *p = FILE_OF(pFile);
  memset(p, 0, sizeof(*p));
  p->zText = zError;
  pFile->pMethods = &stubMethods;
  if( pOutFlags ) *pOutFlags = flags;
  return SQLITE_OK;
}

static int openMemory(
  sqlite3_file *pFile, const char *zName, const HydrantOpening *pOpening, int flags, int *pOutFlags
){
  HydrantFile *p = FILE_OF(pFile);
  memset(p, 0, sizeof(*p));
  p->zPath = zName;
  p->pDb = dbEnter(zName, pOpening->pClone);
  if( p->pDb==0 ){
    hydrantGoClose(pOpening->pClone->hGo);
    return SQLITE_NOMEM;
  }
  p->pClone = pOpening->pClone;
  pFile->pMethods = &memoryMethods;
  flags &= ~(SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE);
  if( pOutFlags ) *pOutFlags = flags | SQLITE_OPEN_READONLY;
  return SQLITE_OK;
}

static int openClone(
  sqlite3_file *pFile, const char *zName, const HydrantOpening *pOpening, int flags, int *pOutFlags
){
  int rc;
  if( pOpening->pClone->bReader ){
    flags = (flags & ~(SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  }
  rc = pParent->xOpen(pParent, zName, pFile, flags, pOutFlags);
  if( rc==SQLITE_OK ) rc = takeOver(pFile, KIND_CLONE, zName, pOpening->pClone);
  if( rc==SQLITE_OK ){
    FILE_OF(pFile)->bPrivate = pOpening->bPrivate;
  }else{
    pFile->pMethods = 0;
    if( !pOpening->bPrivate ) hydrantGoClose(pOpening->pClone->hGo);
  }
  return rc;
}

/*
** Opens what is none of our business, unless it turns out to begin with a guard. The look is
** through the parent's file: another descriptor, when closed, would drop the locks that this
** process holds on the database.
*/
static int openPlain(sqlite3_file *pFile, const char *zName, int flags, int *pOutFlags, int *pbGuard){
  char aFirst[HYDRANT_NFIRST];
  int rc = pParent->xOpen(pParent, zName, pFile, flags, pOutFlags);
  if( rc ) return rc;
  rc = pFile->pMethods->xRead(pFile, aFirst, sizeof(aFirst), 0);
  if( rc==SQLITE_OK && memcmp(aFirst, "hydrant\n", 8)==0 ){
    *pbGuard = 1;
    pFile->pMethods->xClose(pFile);
    pFile->pMethods = 0;
    return SQLITE_OK;
  }
  return takeOver(pFile, KIND_PLAIN, zName, 0);
}

/* Without Go, what is no clone can be opened. */
static int openForked(sqlite3_file *pFile, const char *zName, int flags, int *pOutFlags){
  char *zState = hydrantApi.mprintf("%s-hydrant", zName);
  int bThere = 1, bGuard = 0, rc = SQLITE_OK;
  if( zState ) pParent->xAccess(pParent, zState, SQLITE_ACCESS_EXISTS, &bThere);
  hydrantApi.free(zState);
  if( !bThere ) rc = openPlain(pFile, zName, flags, pOutFlags, &bGuard);
  if( bThere || bGuard ){
    char *zError = forkedText(SQLITE_CANTOPEN, "open", zName);
    rc = zError ? openStub(pFile, zError, flags, pOutFlags) : SQLITE_NOMEM;
  }
  return rc;
}

static int openMain(
  HydrantVfs *pVfs, const char *zName, sqlite3_file *pFile, int flags, int *pOutFlags
){
  HydrantOpening o;
  int bGuard = 0, rc;
  if( hydrantForked() ) return openForked(pFile, zName, flags, pOutFlags);
  memset(&o, 0, sizeof(o));
  hydrantGoOpen(pVfs->hGo, (char*)pVfs->base.zName, (char*)zName, 0, &o);
  if( o.eKind==HYDRANT_PLAIN ){
    rc = openPlain(pFile, zName, flags, pOutFlags, &bGuard);
    if( !bGuard ) return rc;
    hydrantGoOpen(pVfs->hGo, (char*)pVfs->base.zName, (char*)zName, 1, &o);
  }
  switch( o.eKind ){
    case HYDRANT_CLONE:  return openClone(pFile, zName, &o, flags, pOutFlags);
    case HYDRANT_MEMORY: return openMemory(pFile, zName, &o, flags, pOutFlags);
    case HYDRANT_STUB:   return openStub(pFile, o.zError, flags, pOutFlags);
  }
  return SQLITE_CANTOPEN;
}

static int hydrantOpen(
  sqlite3_vfs *pVfs, const char *zName, sqlite3_file *pFile, int flags, int *pOutFlags
){
  size_t nBase;
  int eName;
  pFile->pMethods = 0;
  if( zName && (flags & SQLITE_OPEN_MAIN_DB) ){
    return openMain((HydrantVfs*)pVfs, zName, pFile, flags, pOutFlags);
  }
  if( zName && (flags & SQLITE_OPEN_SUPER_JOURNAL) && (flags & SQLITE_OPEN_CREATE) ){
    int rc = pParent->xOpen(pParent, zName, pFile, flags, pOutFlags);
    return rc ? rc : takeOver(pFile, KIND_SUPER, zName, 0);
  }
  if( zName==0 || !(flags & (SQLITE_OPEN_MAIN_JOURNAL|SQLITE_OPEN_WAL|SQLITE_OPEN_SUPER_JOURNAL))
   || (nBase = baseLength(zName))==0
  ){
    return pParent->xOpen(pParent, zName, pFile, flags, pOutFlags);
  }
  eName = nameToAsk(zName, nBase);
  if( eName==NAME_PUBLIC ) return pParent->xOpen(pParent, zName, pFile, flags, pOutFlags);
  if( eName==NAME_NONE ) return SQLITE_CANTOPEN;
  if( hydrantForked() ) return forkedError(SQLITE_CANTOPEN, "open", zName);
  return hydrantGoOpenSide((char*)zName, (int)nBase, pFile, flags, pOutFlags);
}

static int hydrantDelete(sqlite3_vfs *pVfs, const char *zName, int bSyncDir){
  size_t nBase = baseLength(zName);
  int eName = nBase ? nameToAsk(zName, nBase) : NAME_PUBLIC;
  (void)pVfs;
  if( eName==NAME_PUBLIC ) return pParent->xDelete(pParent, zName, bSyncDir);
  if( eName==NAME_NONE ) return SQLITE_IOERR_DELETE_NOENT;
  if( hydrantForked() ) return forkedError(SQLITE_IOERR_DELETE, "delete", zName);
  return hydrantGoDeleteSide((char*)zName, (int)nBase, bSyncDir);
}

static int hydrantAccess(sqlite3_vfs *pVfs, const char *zName, int flags, int *pOut){
  size_t nBase = baseLength(zName);
  int eName = NAME_PUBLIC, rc;
  (void)pVfs;
  if( nBase ){
    if( accessCertain(zName, nBase, flags, pOut, &rc) ) return rc;
    eName = nameToAsk(zName, nBase);
  }
  if( eName==NAME_PUBLIC ) return pParent->xAccess(pParent, zName, flags, pOut);
  *pOut = 0;
  if( eName==NAME_NONE ) return SQLITE_OK;
  if( hydrantForked() ) return forkedError(SQLITE_IOERR_ACCESS, "look for", zName);
  return hydrantGoAccessSide((char*)zName, (int)nBase, flags, pOut);
}

/* Pass-throughs. The parent is given itself: its VFS object is not ours. */
static int hydrantFullPathname(sqlite3_vfs *p, const char *z, int n, char *zOut){
  (void)p;
  return pParent->xFullPathname(pParent, z, n, zOut);
}
static void *hydrantDlOpen(sqlite3_vfs *p, const char *z){
  (void)p;
  return pParent->xDlOpen(pParent, z);
}
static void hydrantDlError(sqlite3_vfs *p, int n, char *z){
  (void)p;
  pParent->xDlError(pParent, n, z);
}
static void (*hydrantDlSym(sqlite3_vfs *p, void *pLib, const char *z))(void){
  (void)p;
  return pParent->xDlSym(pParent, pLib, z);
}
static void hydrantDlClose(sqlite3_vfs *p, void *pLib){
  (void)p;
  pParent->xDlClose(pParent, pLib);
}
static int hydrantRandomness(sqlite3_vfs *p, int n, char *z){
  (void)p;
  return pParent->xRandomness(pParent, n, z);
}
static int hydrantSleep(sqlite3_vfs *p, int us){
  (void)p;
  return pParent->xSleep(pParent, us);
}
static int hydrantCurrentTime(sqlite3_vfs *p, double *pOut){
  (void)p;
  return pParent->xCurrentTime(pParent, pOut);
}
static int hydrantGetLastError(sqlite3_vfs *p, int n, char *z){
  (void)p;
  return pParent->xGetLastError(pParent, n, z);
}
static int hydrantCurrentTimeInt64(sqlite3_vfs *p, sqlite3_int64 *pOut){
  (void)p;
  return pParent->xCurrentTimeInt64(pParent, pOut);
}
static int hydrantSetSystemCall(sqlite3_vfs *p, const char *z, sqlite3_syscall_ptr x){
  (void)p;
  return pParent->xSetSystemCall(pParent, z, x);
}
static sqlite3_syscall_ptr hydrantGetSystemCall(sqlite3_vfs *p, const char *z){
  (void)p;
  return pParent->xGetSystemCall(pParent, z);
}
static const char *hydrantNextSystemCall(sqlite3_vfs *p, const char *z){
  (void)p;
  return pParent->xNextSystemCall(pParent, z);
}

static const sqlite3_vfs hydrantVfs = {
  3,                          /* iVersion: the parent's, when registered */
  0,                          /* szOsFile: the parent's and ours */
  0,                          /* mxPathname: the parent's */
  0,                          /* pNext */
  0,                          /* zName: as registered */
  0,                          /* pAppData */
  hydrantOpen,                /* xOpen */
  hydrantDelete,              /* xDelete */
  hydrantAccess,              /* xAccess */
  hydrantFullPathname,        /* xFullPathname */
  hydrantDlOpen,              /* xDlOpen */
  hydrantDlError,             /* xDlError */
  hydrantDlSym,               /* xDlSym */
  hydrantDlClose,             /* xDlClose */
  hydrantRandomness,          /* xRandomness */
  hydrantSleep,               /* xSleep */
  hydrantCurrentTime,         /* xCurrentTime */
  hydrantGetLastError,        /* xGetLastError */
  hydrantCurrentTimeInt64,    /* xCurrentTimeInt64 */
  hydrantSetSystemCall,       /* xSetSystemCall */
  hydrantGetSystemCall,       /* xGetSystemCall */
  hydrantNextSystemCall       /* xNextSystemCall */
};

/************************************************************ fork *****/

static HydrantClone *pWatched; /* those with a state file; guarded by watchLock */
static pthread_mutex_t watchLock = PTHREAD_MUTEX_INITIALIZER;

/* What is held here is whole in the child, where nobody else is left to give it back. */
static void beforeFork(void){
  pthread_rwlock_wrlock(&registry.lock);
  pthread_mutex_lock(&gate.lock);
  pthread_mutex_lock(&watchLock);
}

static void forkedParent(void){
  pthread_mutex_unlock(&watchLock);
  pthread_mutex_unlock(&gate.lock);
  pthread_rwlock_unlock(&registry.lock);
}

/*
** Locks are made anew: a read-write lock knows its writer by a thread id that the child does not
** have. A descriptor is closed only if it is what it was, because an engine that is being closed
** may have given its number back. Nothing here allocates.
*/
static void forkedChild(void){
  static const pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
  static const pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static const pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  HydrantClone *p;
  struct stat st;
  for(p=pWatched; p; p=p->pNext){
    if( fstat(p->fdState, &st)==0 && st.st_dev==p->iDev && st.st_ino==p->iIno ) close(p->fdState);
    p->fdState = -1;
  }
  pWatched = 0;
  watchLock = mutex;
  gate.lock = mutex;
  gate.moved = cond;
  registry.lock = rw;
}

/* Until hydrant_unwatch(), a forked child closes its copy of a clone's state file. */
void hydrant_watch(HydrantClone *p, int fdState){
  struct stat st;
  if( fstat(fdState, &st) ) return;
  p->fdState = fdState;
  p->iDev = st.st_dev;
  p->iIno = st.st_ino;
  pthread_mutex_lock(&watchLock);
  p->pNext = pWatched;
  pWatched = p;
  pthread_mutex_unlock(&watchLock);
}

void hydrant_unwatch(HydrantClone *p){
  HydrantClone **pp;
  pthread_mutex_lock(&watchLock);
  for(pp=&pWatched; *pp && *pp!=p; pp=&(*pp)->pNext){}
  if( *pp ) *pp = p->pNext;
  pthread_mutex_unlock(&watchLock);
}

/************************************************************ for Go to call *****/

void hydrant_use_api(const HydrantApi *pApi){
  hydrantApi = *pApi;
}

static int registerError(const char **pz, int rc, const char *zText){
  *pz = zText;
  return rc;
}

/* Registers the VFS. Calls are made one at a time. A VFS is never freed. */
int hydrant_register(const char *zName, uintptr_t hGo, const char **pzError){
  sqlite3_vfs *pReal = hydrantApi.vfs_find("unix");
  HydrantVfs *p;
  int rc;
  if( pReal==0 ) return registerError(pzError, SQLITE_NOTFOUND, "this SQLite has no VFS \"unix\"");
  if( pParent!=0 && pReal!=pParent ){
    return registerError(pzError, SQLITE_ERROR, "VFS \"unix\" is another than before");
  }
  if( hydrantApi.vfs_find(zName) ){
    return registerError(pzError, SQLITE_ERROR, "there is a VFS of that name");
  }
  p = malloc(sizeof(*p)+strlen(zName)+1);
  if( p==0 ) return registerError(pzError, SQLITE_NOMEM, "out of memory");
  if( pParent==0 ){
    pParent = pReal;
    szParent = (pReal->szOsFile+15) & ~15;
    iPid = getpid();
    rc = pthread_atfork(beforeFork, forkedParent, forkedChild);
    if( rc ) return registerError(pzError, SQLITE_NOMEM, "cannot prepare for fork");
    rc = hydrantApi.auto_extension((void(*)(void))hydrantAutoInit);
    if( rc ) return registerError(pzError, rc, "cannot register functions");
  }
  p->base = hydrantVfs;
  if( pReal->iVersion<3 ) p->base.iVersion = pReal->iVersion;
  p->base.szOsFile = szParent + (int)sizeof(HydrantFile);
  p->base.mxPathname = pReal->mxPathname;
  p->base.zName = strcpy((char*)&p[1], zName);
  p->hGo = hGo;
  rc = hydrantApi.vfs_register(&p->base, 0);
  if( rc ) return registerError(pzError, rc, "SQLite refuses it");
  return SQLITE_OK;
}

/*
** Makes the VFS zName SQLite's default one with eSet 1, and the one that was with 0; -1 only asks.
** Returns 1 when it is, 0 when it is not, -1 when it cannot be had. Calls are made one at a time.
*/
int hydrant_default(const char *zName, int eSet){
  static sqlite3_vfs *pBefore;
  sqlite3_vfs *pOurs = hydrantApi.vfs_find(zName), *pNow = hydrantApi.vfs_find(0);
  if( pOurs==0 ) return -1;
  if( eSet==1 && pNow!=pOurs ){
    pBefore = pNow;
    if( hydrantApi.vfs_register(pOurs, 1) ) return -1;
  }
  if( eSet==0 && pNow==pOurs && hydrantApi.vfs_register(pBefore ? pBefore : pParent, 1) ) return -1;
  return hydrantApi.vfs_find(0)==pOurs;
}

/* The name by which SQLite will open zPath, from malloc(); 0 when there is none. */
char *hydrant_full_path(const char *zPath){
  int n = pParent->mxPathname + 1;
  char *z = malloc(n);
  if( z==0 ) return 0;
  z[0] = 0;
  if( (pParent->xFullPathname(pParent, zPath, n, z) & 0xff)==SQLITE_OK ) return z;
  free(z);
  return 0;
}

int hydrant_interrupted(sqlite3 *db){
  return db && hydrantApi.is_interrupted && hydrantApi.is_interrupted(db);
}

/* True inside of a transaction on any schema. */
int hydrant_txn_state(sqlite3 *db){
  return db && hydrantApi.txn_state && hydrantApi.txn_state(db, 0)>SQLITE_TXN_NONE;
}

const char *hydrant_uri_key(const char *zName, int i){
  return hydrantApi.uri_key(zName, i);
}

const char *hydrant_uri_value(const char *zName, const char *zKey){
  return hydrantApi.uri_parameter(zName, zKey);
}

/*
** Opens a side file under zName, which must outlive the file, or else, with bOwnName, come from
** malloc() and is freed with it.
*/
int hydrant_open_as(const char *zName, sqlite3_file *pFile, int flags, int *pOutFlags, int bOwnName){
  int rc = pParent->xOpen(pParent, zName, pFile, flags, pOutFlags);
  if( !bOwnName ) return rc;
  if( rc==SQLITE_OK ) rc = takeOver(pFile, KIND_NAMED, zName, 0);
  if( rc==SQLITE_OK ) FILE_OF(pFile)->zText = (char*)zName;
  else free((char*)zName);
  return rc;
}

int hydrant_real_access(const char *zName, int flags, int *pOut){
  return pParent->xAccess(pParent, zName, flags, pOut);
}

int hydrant_real_delete(const char *zName, int bSyncDir){
  return pParent->xDelete(pParent, zName, bSyncDir);
}
