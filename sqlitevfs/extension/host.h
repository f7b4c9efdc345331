#ifndef HYDRANT_HOST_H
#define HYDRANT_HOST_H

#include "shim/hydrantvfs.h"

/*
** What a host hands to an extension's entry point: a table of its functions. Where each is in it is
** part of SQLite's stable ABI: a test compares these places with its header. Older libraries have
** shorter tables; up to 3.32 all of them reach this far, but for the functions marked.
*/
typedef void (*const *HydrantRoutines)(void);

#define HYDRANT_ROUTINES(X) \
  X( 53, errmsg)              \
  X( 55, exec)                \
  X( 58, free)                \
  X( 64, interruptx)          \
  X( 67, libversion_number)   \
  X( 69, mprintf)             \
  X( 79, result_double)       \
  X( 80, result_error)        \
  X( 83, result_int64)        \
  X( 85, result_text)         \
  X(101, user_data)           \
  X(109, value_text)          \
  X(127, file_control)        \
  X(135, open_v2)             \
  X(141, vfs_find)            \
  X(142, vfs_register)        \
  X(146, result_error_code)   \
  X(149, context_db_handle)   \
  X(162, create_function_v2)  \
  X(163, db_config)           \
  X(167, log)                 \
  X(179, close_v2)            \
  X(189, uri_parameter)       \
  X(192, auto_extension)      \
  X(198, msize)               \
  X(245, uri_key)             \
  X(252, txn_state)      /* 3.34 */ \
  X(266, is_interrupted) /* 3.41 */

#define PLACE(i, name) HYDRANT_AT_##name = i,
enum { HYDRANT_ROUTINES(PLACE) };
#undef PLACE

/* Why this SQLite cannot be worked with, 0 if it can. */
const char *hydrant_host_refused(HydrantRoutines);

/* Fills *pApi from the table, but for what tells of an interrupt, … */
void hydrant_host_api(HydrantRoutines, HydrantApi *pApi);

/* … which may have to be looked for, in a connection; 0 where there is no way to know. */
int (*hydrant_host_interrupted(HydrantRoutines, const HydrantApi*))(sqlite3*);

#endif
