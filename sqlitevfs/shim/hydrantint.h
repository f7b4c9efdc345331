/*
** Between the C files of the shim.
*/
#ifndef HYDRANTINT_H
#define HYDRANTINT_H

#include "hydrantvfs.h"

extern HydrantApi hydrantApi;  /* SQLite */

/* A file control of our own: puts a pointer to the asker, see hydrantvfs.h, into *(HydrantAsker*). */
#define HYDRANT_FCNTL_ASKER 0x68796472

int hydrantForked(void);
int hydrantPragma(const HydrantAsker*, char **azArg);
int hydrantAutoInit(sqlite3*, char **pzErrMsg, const void*);

#endif
