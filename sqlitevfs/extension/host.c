/*
** The functions of the SQLite that loaded us.
*/
#include "host.h"

const char *hydrant_host_refused(HydrantRoutines aRoutine){
  int (*xVersion)(void) = (int(*)(void))aRoutine[HYDRANT_AT_libversion_number];
  return xVersion()<3032000 ? "hydrant: SQLite 3.32 or later is needed" : 0;
}

#define TAKE(name) pApi->name = (__typeof__(pApi->name))aRoutine[HYDRANT_AT_##name]

void hydrant_host_api(HydrantRoutines aRoutine, HydrantApi *pApi){
  TAKE(libversion_number);
  TAKE(vfs_find);
  TAKE(vfs_register);
  TAKE(auto_extension);
  TAKE(uri_key);
  TAKE(uri_parameter);
  TAKE(mprintf);
  TAKE(free);
  TAKE(log);
  TAKE(file_control);
  TAKE(create_function_v2);
  TAKE(user_data);
  TAKE(context_db_handle);
  TAKE(value_text);
  TAKE(result_int64);
  TAKE(result_double);
  TAKE(result_text);
  TAKE(result_error);
  TAKE(result_error_code);
  TAKE(open_v2);
  TAKE(close_v2);
  TAKE(errmsg);
  TAKE(exec);
  TAKE(db_config);
  pApi->txn_state = 0;
  pApi->is_interrupted = 0;
  if( pApi->libversion_number()>=3034000 ) TAKE(txn_state);
}
