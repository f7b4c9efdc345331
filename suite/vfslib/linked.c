/* The functions of the program's own SQLite. */
#include "../../sqlitevfs/linked.c"
