#ifndef SP_SHA256_H
#define SP_SHA256_H

#include "status.h"

/* SHA-256 of a file's bytes as 64 lower-case hex digits. */
sp_status sp_sha256_file(char out_hex[65], const char *path, sp_error *err);

/* SHA-256 of bytes in memory. */
void sp_sha256_bytes(char out_hex[65], const void *data, size_t bytes);

#endif
