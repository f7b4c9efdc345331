/*
** What this library has to know of SQLite: the objects that cross the VFS interface, a few
** constants, and the functions it calls. All of it is SQLite's stable ABI, written down from its
** documentation (https://www.sqlite.org/c3ref/intro.html); a test compares it with the header of
** the SQLite that we are built with.
**
** No sqlite3_ function is referred to by name. They are reached through a HydrantApi, which is
** filled from the linked library, or, in a loadable extension, from what the host hands over.
*/
#ifndef HYDRANT_SQLITE3ABI_H
#define HYDRANT_SQLITE3ABI_H

#include <stdint.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_value sqlite3_value;
typedef struct sqlite3_file sqlite3_file;
typedef struct sqlite3_io_methods sqlite3_io_methods;
typedef struct sqlite3_vfs sqlite3_vfs;
typedef long long int sqlite3_int64;
typedef unsigned long long int sqlite3_uint64;
typedef void (*sqlite3_syscall_ptr)(void);

/* Result codes. */
#define SQLITE_OK                 0
#define SQLITE_ERROR              1
#define SQLITE_BUSY               5
#define SQLITE_NOMEM              7
#define SQLITE_READONLY           8
#define SQLITE_INTERRUPT          9
#define SQLITE_IOERR             10
#define SQLITE_NOTFOUND          12
#define SQLITE_FULL              13
#define SQLITE_CANTOPEN          14
#define SQLITE_PROTOCOL          15
#define SQLITE_NOTICE            27
#define SQLITE_WARNING           28
#define SQLITE_ROW              100
#define SQLITE_DONE             101
#define SQLITE_IOERR_READ        (SQLITE_IOERR | (1<<8))
#define SQLITE_IOERR_SHORT_READ  (SQLITE_IOERR | (2<<8))
#define SQLITE_IOERR_WRITE       (SQLITE_IOERR | (3<<8))
#define SQLITE_IOERR_FSYNC       (SQLITE_IOERR | (4<<8))
#define SQLITE_IOERR_TRUNCATE    (SQLITE_IOERR | (6<<8))
#define SQLITE_IOERR_FSTAT       (SQLITE_IOERR | (7<<8))
#define SQLITE_IOERR_DELETE      (SQLITE_IOERR | (10<<8))
#define SQLITE_IOERR_NOMEM       (SQLITE_IOERR | (12<<8))
#define SQLITE_IOERR_ACCESS      (SQLITE_IOERR | (13<<8))
#define SQLITE_IOERR_LOCK        (SQLITE_IOERR | (15<<8))
#define SQLITE_IOERR_DELETE_NOENT (SQLITE_IOERR | (23<<8))

/* Flags of xOpen and sqlite3_open_v2. */
#define SQLITE_OPEN_READONLY      0x00000001
#define SQLITE_OPEN_READWRITE     0x00000002
#define SQLITE_OPEN_CREATE        0x00000004
#define SQLITE_OPEN_URI           0x00000040
#define SQLITE_OPEN_MAIN_DB       0x00000100
#define SQLITE_OPEN_MAIN_JOURNAL  0x00000800
#define SQLITE_OPEN_SUPER_JOURNAL 0x00004000
#define SQLITE_OPEN_FULLMUTEX     0x00010000
#define SQLITE_OPEN_PRIVATECACHE  0x00040000
#define SQLITE_OPEN_WAL           0x00080000

/* Flags of xAccess. */
#define SQLITE_ACCESS_EXISTS 0

/* Levels of xLock. */
#define SQLITE_LOCK_NONE 0
#define SQLITE_LOCK_SHARED 1
#define SQLITE_LOCK_RESERVED 2

/* Flags of xShmLock. */
#define SQLITE_SHM_LOCK 2
#define SQLITE_SHM_EXCLUSIVE 8

/* Answers of xDeviceCharacteristics. */
#define SQLITE_IOCAP_ATOMIC       0x00000001
#define SQLITE_IOCAP_ATOMIC64K    0x00000100
#define SQLITE_IOCAP_BATCH_ATOMIC 0x00004000

/* Opcodes of xFileControl. */
#define SQLITE_FCNTL_FILE_POINTER 7
#define SQLITE_FCNTL_OVERWRITE 11
#define SQLITE_FCNTL_VFSNAME   12
#define SQLITE_FCNTL_PRAGMA    14
#define SQLITE_FCNTL_PDB       30

/* For functions, connections and transactions. */
#define SQLITE_UTF8       1
#define SQLITE_DIRECTONLY 0x000080000
#define SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE 1006
#define SQLITE_TXN_NONE   0
#define SQLITE_NULL       5
#define SQLITE_TRANSIENT  ((void(*)(void*))-1)

struct sqlite3_file {
  const sqlite3_io_methods *pMethods; /* 0: xOpen failed, there is nothing to close */
};

struct sqlite3_io_methods {
  int iVersion;
  int (*xClose)(sqlite3_file*);
  int (*xRead)(sqlite3_file*, void*, int iAmt, sqlite3_int64 iOfst);
  int (*xWrite)(sqlite3_file*, const void*, int iAmt, sqlite3_int64 iOfst);
  int (*xTruncate)(sqlite3_file*, sqlite3_int64 size);
  int (*xSync)(sqlite3_file*, int flags);
  int (*xFileSize)(sqlite3_file*, sqlite3_int64 *pSize);
  int (*xLock)(sqlite3_file*, int);
  int (*xUnlock)(sqlite3_file*, int);
  int (*xCheckReservedLock)(sqlite3_file*, int *pResOut);
  int (*xFileControl)(sqlite3_file*, int op, void *pArg);
  int (*xSectorSize)(sqlite3_file*);
  int (*xDeviceCharacteristics)(sqlite3_file*);
  /* from version 2 on */
  int (*xShmMap)(sqlite3_file*, int iPg, int pgsz, int, void volatile**);
  int (*xShmLock)(sqlite3_file*, int offset, int n, int flags);
  void (*xShmBarrier)(sqlite3_file*);
  int (*xShmUnmap)(sqlite3_file*, int deleteFlag);
  /* from version 3 on */
  int (*xFetch)(sqlite3_file*, sqlite3_int64 iOfst, int iAmt, void **pp);
  int (*xUnfetch)(sqlite3_file*, sqlite3_int64 iOfst, void *p);
};

struct sqlite3_vfs {
  int iVersion;
  int szOsFile;      /* bytes of a file object, which SQLite allocates */
  int mxPathname;
  sqlite3_vfs *pNext;
  const char *zName;
  void *pAppData;
  int (*xOpen)(sqlite3_vfs*, const char *zName, sqlite3_file*, int flags, int *pOutFlags);
  int (*xDelete)(sqlite3_vfs*, const char *zName, int syncDir);
  int (*xAccess)(sqlite3_vfs*, const char *zName, int flags, int *pResOut);
  int (*xFullPathname)(sqlite3_vfs*, const char *zName, int nOut, char *zOut);
  void *(*xDlOpen)(sqlite3_vfs*, const char *zFilename);
  void (*xDlError)(sqlite3_vfs*, int nByte, char *zErrMsg);
  void (*(*xDlSym)(sqlite3_vfs*, void*, const char *zSymbol))(void);
  void (*xDlClose)(sqlite3_vfs*, void*);
  int (*xRandomness)(sqlite3_vfs*, int nByte, char *zOut);
  int (*xSleep)(sqlite3_vfs*, int microseconds);
  int (*xCurrentTime)(sqlite3_vfs*, double*);
  int (*xGetLastError)(sqlite3_vfs*, int, char *);
  /* from version 2 on */
  int (*xCurrentTimeInt64)(sqlite3_vfs*, sqlite3_int64*);
  /* from version 3 on */
  int (*xSetSystemCall)(sqlite3_vfs*, const char *zName, sqlite3_syscall_ptr);
  sqlite3_syscall_ptr (*xGetSystemCall)(sqlite3_vfs*, const char *zName);
  const char *(*xNextSystemCall)(sqlite3_vfs*, const char *zName);
};

/*
** The functions of SQLite that we call, by their names without "sqlite3_". Those marked with the
** version that brought them may be 0 in an older library; everything else is in 3.32.
*/
typedef struct HydrantApi HydrantApi;
struct HydrantApi {
  int (*libversion_number)(void);
  sqlite3_vfs *(*vfs_find)(const char*);
  int (*vfs_register)(sqlite3_vfs*, int);
  int (*auto_extension)(void(*)(void));
  const char *(*uri_key)(const char*, int);
  const char *(*uri_parameter)(const char*, const char*);
  char *(*mprintf)(const char*, ...);
  void (*free)(void*);
  void (*log)(int, const char*, ...);
  int (*is_interrupted)(sqlite3*);               /* 3.41 */
  int (*txn_state)(sqlite3*, const char*);       /* 3.34 */
  int (*file_control)(sqlite3*, const char*, int, void*);
  int (*create_function_v2)(sqlite3*, const char*, int, int, void*,
      void (*xFunc)(sqlite3_context*, int, sqlite3_value**),
      void (*xStep)(sqlite3_context*, int, sqlite3_value**),
      void (*xFinal)(sqlite3_context*), void (*xDestroy)(void*));
  void *(*user_data)(sqlite3_context*);
  sqlite3 *(*context_db_handle)(sqlite3_context*);
  const unsigned char *(*value_text)(sqlite3_value*);
  void (*result_int64)(sqlite3_context*, sqlite3_int64);
  void (*result_double)(sqlite3_context*, double);
  void (*result_text)(sqlite3_context*, const char*, int, void(*)(void*));
  void (*result_error)(sqlite3_context*, const char*, int);
  void (*result_error_code)(sqlite3_context*, int);
  int (*open_v2)(const char*, sqlite3**, int, const char*);
  int (*close_v2)(sqlite3*);
  const char *(*errmsg)(sqlite3*);
  int (*exec)(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**);
  int (*db_config)(sqlite3*, int, ...);
};

#endif
