/*
** worker.py for the SQLite that it is compiled with.
*/
#include "sqlite3-binding.h"

#include <stdio.h>
#include <string.h>

static int printRow(void *p, int n, char **azValue, char **azName){
  int i;
  (void)p; (void)azName;
  for(i=0; i<n; i++) printf("%s%s", i ? "|" : "", azValue[i] ? azValue[i] : "");
  printf("\n");
  return 0;
}

int main(void){
  static char zLine[1<<20];
  sqlite3 *db = 0;
  if( sqlite3_open(":memory:", &db) ) return 1;
  while( fgets(zLine, sizeof(zLine), stdin) ){
    char *zError = 0;
    int rc;
    zLine[strcspn(zLine, "\n")] = 0;
    if( strncmp(zLine, ".load ", 6)==0 ){
      sqlite3_enable_load_extension(db, 1);
      rc = sqlite3_load_extension(db, &zLine[6], 0, &zError);
    }else if( strncmp(zLine, ".open ", 6)==0 ){
      sqlite3_close(db);
      rc = sqlite3_open_v2(&zLine[6], &db, SQLITE_OPEN_READWRITE|SQLITE_OPEN_CREATE|SQLITE_OPEN_URI, 0);
      if( rc ) zError = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    }else{
      rc = sqlite3_exec(db, zLine, printRow, 0, &zError);
    }
    if( rc ) printf("Error: %s\n", zError ? zError : "?");
    sqlite3_free(zError);
    printf("--end--\n");
    fflush(stdout);
  }
  return sqlite3_close(db)!=SQLITE_OK;
}
