#include "sha256.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

static void to_hex(char out_hex[65], struct sha256_ctx *context)
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(context, sizeof digest, digest);
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(out_hex + 2 * i, 3, "%02x", digest[i]);
}

sp_status sp_sha256_file(char out_hex[65], const char *path, sp_error *err)
{
	FILE *f = fopen(path, "rb");
	struct sha256_ctx context;
	uint8_t block[65536];
	size_t got;
	sp_status st = SP_OK;

	if (!f)
		return sp_fail(err, SP_IO, "cannot open %s: %s", path, strerror(errno));
	sha256_init(&context);
	while ((got = fread(block, 1, sizeof block, f)) > 0)
		sha256_update(&context, got, block);
	if (ferror(f))
		st = sp_fail(err, SP_IO, "cannot read %s: %s", path, strerror(errno));
	else
		to_hex(out_hex, &context);
	fclose(f);
	return st;
}

void sp_sha256_bytes(char out_hex[65], const void *data, size_t bytes)
{
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, bytes, data);
	to_hex(out_hex, &context);
}
