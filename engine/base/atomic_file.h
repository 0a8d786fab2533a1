/* Outputs appear whole or not at all: written beside their place under a temporary name, flushed, then renamed. A link
 * is followed: what it leads to is written. What is there and is no regular file (folder, device, pipe) is refused. */
#ifndef SP_ATOMIC_FILE_H
#define SP_ATOMIC_FILE_H

#include "status.h"

/* The temporary name to write PATH under ("PATH.tmp.PID.CLOCK", same folder). Checks first that the folder exists and
 * can be written, and what PATH is. On SP_OK *out is malloc'ed and owned by the caller. */
sp_status sp_atomic_begin(char **out_temporary, const char *path, sp_error *err);

/* Whether sp_atomic_begin will do, found out before long work: writes nothing that stays. NULL is fine: no output is
 * wanted. */
sp_status sp_atomic_check(const char *path, sp_error *err);

/* Flushes the temporary file to disk, renames it to path and flushes the folder; on failure it is removed. */
sp_status sp_atomic_commit(const char *temporary, const char *path, sp_error *err);

/* Removes the temporary file, if it is there. NULL is fine. */
void sp_atomic_abandon(const char *temporary);

/* The whole of a file, with a zero byte after the last; *out is malloc'ed. Refuses more than max_bytes. */
sp_status sp_file_read_all(char **out, size_t *out_bytes, const char *path, size_t max_bytes, sp_error *err);

/* Writes bytes as the whole new content of path, atomically. */
sp_status sp_file_write_all(const char *path, const void *data, size_t bytes, sp_error *err);

#endif
