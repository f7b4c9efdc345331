/*
** Between the C files of the shim.
*/
#ifndef HYDRANTINT_H
#define HYDRANTINT_H

#include "hydrantvfs.h"

extern HydrantApi hydrantApi;  /* SQLite */
extern __thread int hydrantOurs; /* this thread runs SQLite for ourselves */

/* A file control of our own: puts a pointer to the asker, see hydrantvfs.h, into *(HydrantAsker*). */
#define HYDRANT_FCNTL_ASKER 0x68796472

extern int hydrantHosted;       /* connections get the functions for hosts, too */

int hydrantPragma(const HydrantAsker*, char **azArg);
int hydrantAutoInit(sqlite3*, char **pzErrMsg, const void*);

#endif
