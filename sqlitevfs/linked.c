/*
** The functions of SQLite by their names, which the linker resolves: the driver has brought them.
*/
#include "linked.h"

int sqlite3_libversion_number(void);
sqlite3_vfs *sqlite3_vfs_find(const char*);
int sqlite3_vfs_register(sqlite3_vfs*, int);
int sqlite3_auto_extension(void(*)(void));
const char *sqlite3_uri_key(const char*, int);
const char *sqlite3_uri_parameter(const char*, const char*);
char *sqlite3_mprintf(const char*, ...);
void sqlite3_free(void*);
void sqlite3_log(int, const char*, ...);
int sqlite3_is_interrupted(sqlite3*) __attribute__((weak)); /* not before 3.41 */
int sqlite3_txn_state(sqlite3*, const char*) __attribute__((weak)); /* not before 3.34 */
int sqlite3_file_control(sqlite3*, const char*, int, void*);
int sqlite3_create_function_v2(sqlite3*, const char*, int, int, void*,
    void (*)(sqlite3_context*, int, sqlite3_value**),
    void (*)(sqlite3_context*, int, sqlite3_value**),
    void (*)(sqlite3_context*), void (*)(void*));
void *sqlite3_user_data(sqlite3_context*);
sqlite3 *sqlite3_context_db_handle(sqlite3_context*);
const unsigned char *sqlite3_value_text(sqlite3_value*);
void sqlite3_result_int64(sqlite3_context*, sqlite3_int64);
void sqlite3_result_double(sqlite3_context*, double);
void sqlite3_result_text(sqlite3_context*, const char*, int, void(*)(void*));
void sqlite3_result_error(sqlite3_context*, const char*, int);
void sqlite3_result_error_code(sqlite3_context*, int);
int sqlite3_open_v2(const char*, sqlite3**, int, const char*);
int sqlite3_close_v2(sqlite3*);
const char *sqlite3_errmsg(sqlite3*);
int sqlite3_exec(sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**);
int sqlite3_db_config(sqlite3*, int, ...);

const HydrantApi *hydrant_linked(void){
  static const HydrantApi api = {
    .libversion_number  = sqlite3_libversion_number,
    .vfs_find           = sqlite3_vfs_find,
    .vfs_register       = sqlite3_vfs_register,
    .auto_extension     = sqlite3_auto_extension,
    .uri_key            = sqlite3_uri_key,
    .uri_parameter      = sqlite3_uri_parameter,
    .mprintf            = sqlite3_mprintf,
    .free               = sqlite3_free,
    .log                = sqlite3_log,
    .is_interrupted     = sqlite3_is_interrupted,
    .txn_state          = sqlite3_txn_state,
    .file_control       = sqlite3_file_control,
    .create_function_v2 = sqlite3_create_function_v2,
    .user_data          = sqlite3_user_data,
    .context_db_handle  = sqlite3_context_db_handle,
    .value_text         = sqlite3_value_text,
    .result_int64       = sqlite3_result_int64,
    .result_double      = sqlite3_result_double,
    .result_text        = sqlite3_result_text,
    .result_error       = sqlite3_result_error,
    .result_error_code  = sqlite3_result_error_code,
    .open_v2            = sqlite3_open_v2,
    .close_v2           = sqlite3_close_v2,
    .errmsg             = sqlite3_errmsg,
    .exec               = sqlite3_exec,
    .db_config          = sqlite3_db_config,
  };
  return &api;
}
