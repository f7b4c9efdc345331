#ifndef HYDRANT_LINKED_H
#define HYDRANT_LINKED_H

#include "shim/sqlite3abi.h"

/* The functions of the SQLite that this program is linked with. */
const HydrantApi *hydrant_linked(void);

#endif
