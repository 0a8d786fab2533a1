/* Built programs on disk, one file each, named for the SHA-256 of everything that the build depends on: source,
 * options, device, driver. A file is the header below and the driver's binary; what does not match its own checksum is
 * built again. Files appear by renaming, so any number of processes may share the folder. */
#include "device_internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alloc.h"
#include "atomic_file.h"
#include "log.h"
#include "sha256.h"

#define CACHE_MAGIC "spineplan-program-1"
#define HEADER_BYTES 128                /* magic, binary's size and SHA-256 as text, zeros after it */
#define LARGEST_BYTES ((size_t)1 << 28) /* no kernel binary comes near it */

/* PoCL keeps what it has built by itself, each kernel for the work-group size that it is launched with. Asked for a
 * whole program's binary it compiles every kernel for any size as well, which takes three seconds and is never used. */
static bool keeps_its_own(const sp_device *d)
{
	return strcmp(d->info.platform, "Portable Computing Language") == 0;
}

/* The folder, made where missing; NULL when there is none to be had, or wanted. */
static char *cache_folder(const sp_device *d)
{
	const char *wish = getenv("SPINEPLAN_PROGRAM_CACHE");
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	size_t bytes;
	char *path;

	if (wish ? strcmp(wish, "off") == 0 : keeps_its_own(d))
		return NULL;
	/* a relative XDG_CACHE_HOME is invalid by the XDG specification */
	if (!base || base[0] != '/')
		base = NULL;
	if (!base && (!home || home[0] != '/'))
		return NULL;
	bytes = strlen(base ? base : home) + 32;
	if (!(path = malloc(bytes)))
		return NULL;
	snprintf(path, bytes, "%s%s", base ? base : home, base ? "" : "/.cache");
	mkdir(path, 0700);
	strcat(path, "/spineplan");
	mkdir(path, 0700);
	return path;
}

char *sp_program_cache_path(const sp_device *d, const char *source, size_t source_bytes, const char *options)
{
	char *folder = cache_folder(d), *text = NULL, *path = NULL, hex[65];
	size_t bytes;
	int head;

	if (!folder)
		return NULL;
	bytes = source_bytes + strlen(options) + 1024;
	if (!(text = malloc(bytes)))
		goto cleanup;
	head = snprintf(text, bytes, "%s\n%s\n%s\n%s\n%s\n%s\n", CACHE_MAGIC, d->info.platform, d->info.name,
	                d->info.version, d->info.driver, options);
	if (head < 0 || (size_t)head + source_bytes > bytes)
		goto cleanup;
	memcpy(text + head, source, source_bytes);
	sp_sha256_bytes(hex, text, (size_t)head + source_bytes);
	bytes = strlen(folder) + 80;
	if ((path = malloc(bytes)))
		snprintf(path, bytes, "%s/%s.bin", folder, hex);
cleanup:
	free(text);
	free(folder);
	return path;
}

static void make_header(char out[HEADER_BYTES], const void *binary, size_t bytes)
{
	char hex[65];

	sp_sha256_bytes(hex, binary, bytes);
	memset(out, 0, HEADER_BYTES);
	snprintf(out, HEADER_BYTES, "%s %zu %s\n", CACHE_MAGIC, bytes, hex);
}

cl_program sp_program_cache_load(const sp_device *d, const char *path, const char *options)
{
	char *file = NULL, header[HEADER_BYTES];
	size_t bytes = 0, binary_bytes;
	const unsigned char *binary;
	struct stat info;
	cl_program program = NULL;
	cl_int binary_status = CL_SUCCESS, code = CL_SUCCESS;

	if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
		return NULL;
	if (sp_file_read_all(&file, &bytes, path, LARGEST_BYTES, NULL) != SP_OK)
		return NULL;
	if (bytes > HEADER_BYTES) {
		binary = (const unsigned char *)file + HEADER_BYTES;
		binary_bytes = bytes - HEADER_BYTES;
		make_header(header, binary, binary_bytes);
		if (memcmp(header, file, HEADER_BYTES) == 0)
			program = clCreateProgramWithBinary(d->context, 1, &d->id, &binary_bytes, &binary,
			                                    &binary_status, &code);
	}
	free(file);
	if (program && binary_status == CL_SUCCESS &&
	    clBuildProgram(program, 1, &d->id, options, NULL, NULL) == CL_SUCCESS)
		return program;
	sp_log_detail("the cached program %s is damaged or not for this driver and is built again", path);
	if (program)
		clReleaseProgram(program);
	return NULL;
}

void sp_program_cache_store(const sp_device *d, const char *path, cl_program program)
{
	size_t bytes = 0;
	unsigned char *binary;
	char *file = NULL;
	sp_error err = {0};

	if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL) != CL_SUCCESS ||
	    bytes == 0 || bytes > LARGEST_BYTES - HEADER_BYTES || !(file = malloc(HEADER_BYTES + bytes))) {
		sp_log_detail("%s gives no program binary to keep", d->info.name);
		return;
	}
	binary = (unsigned char *)file + HEADER_BYTES;
	if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS) {
		make_header(file, binary, bytes);
		if (sp_file_write_all(path, file, HEADER_BYTES + bytes, &err) != SP_OK)
			sp_log_detail("the built program is not kept: %s", err.text);
	}
	free(file);
}
