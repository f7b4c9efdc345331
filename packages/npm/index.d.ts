/** The library's file. */
export function loadablePath(): string;
/** Loads the library through a connection, for all connections of the process. */
export function load(db: { loadExtension(path: string): unknown }): void;
