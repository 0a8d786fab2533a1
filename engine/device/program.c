/* Kernels: source (embedded, or from SPINEPLAN_KERNEL_DIR) to program to kernel, built once per process and options. */
#include "device_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "atomic_file.h"
#include "clock.h"
#include "embedded.h"
#include "log.h"
#include "sha256.h"

extern const sp_embedded sp_kernel_sources[]; /* made of cl_kernels/ by scripts/embed */

/* -cl-mad-enable and -cl-fast-relaxed-math stay out: with them the compiler may round the same expression differently
 * when it unrolls or vectorises for another work-group size. Kernels say fma, mad or native_ where they want it. */
#define COMMON_OPTIONS "-cl-std=CL1.2"

typedef struct {
	const char *text; /* borrowed from the binary, or owned */
	size_t bytes;
	char *owned;
	bool from_folder;
} kernel_source;

static sp_status read_source(kernel_source *out, const char *folder, const char *file, sp_error *err)
{
	const sp_embedded *entry;
	char *path = NULL, *text = NULL;
	sp_status st;
	size_t bytes;

	memset(out, 0, sizeof *out);
	if (!folder) {
		if (!(entry = sp_embedded_find(sp_kernel_sources, file)))
			return sp_fail(err, SP_DEVICE, "there is no kernel file %s in this program", file);
		out->text = (const char *)entry->data;
		out->bytes = entry->bytes;
		return SP_OK;
	}
	bytes = strlen(folder) + strlen(file) + 2;
	if (!(path = malloc(bytes)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory reading %s", file);
	snprintf(path, bytes, "%s/%s", folder, file);
	if ((st = sp_file_read_all(&text, &out->bytes, path, (size_t)1 << 24, err)) != SP_OK)
		goto cleanup;
	/* like the embedded text, so that a build log names the file */
	bytes = out->bytes + strlen(file) + 16;
	if (!(out->owned = malloc(bytes))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory reading %s", file);
		goto cleanup;
	}
	out->bytes = (size_t)snprintf(out->owned, bytes, "#line 1 \"%s\"\n%s", file, text);
	out->text = out->owned;
	out->from_folder = true;
cleanup:
	free(text);
	free(path);
	return st;
}

static sp_status fail_build(sp_device *d, cl_program program, const char *file, const char *options, cl_int code,
                            sp_error *err)
{
	size_t bytes = 0;
	char *log = NULL;
	sp_status st;

	if (program)
		clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
	if (bytes && (log = calloc(bytes + 1, 1)))
		clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL);
	st = sp_fail(err, SP_DEVICE, "the kernel file %s does not build on %s (%s) with options '%s'; build log:\n%s",
	             file, d->info.name, sp_opencl_error_name(code), options, log && *log ? log : "(empty)");
	free(log);
	return st;
}

static sp_status build_source(cl_program *out, sp_device *d, const kernel_source *source, const char *file,
                              const char *options, sp_error *err)
{
	cl_int code;
	cl_program program =
	        clCreateProgramWithSource(d->context, 1, (const char *[]){source->text}, &source->bytes, &code);

	if (program && (code = clBuildProgram(program, 1, &d->id, options, NULL, NULL)) == CL_SUCCESS) {
		*out = program;
		return SP_OK;
	}
	fail_build(d, program, file, options, code, err);
	if (program)
		clReleaseProgram(program);
	return SP_DEVICE;
}

static sp_status load_or_build(cl_program *out, sp_device *d, const char *file, const char *options, const char *folder,
                               sp_error *err)
{
	kernel_source source;
	char *path = NULL;
	double start = sp_clock_seconds();
	sp_status st = read_source(&source, folder, file, err);

	*out = NULL;
	if (st != SP_OK)
		goto cleanup;
	/* a file from the folder may include others that the key would not cover */
	if (!source.from_folder)
		path = sp_program_cache_path(d, source.text, source.bytes, options);
	if (path && (*out = sp_program_cache_load(d, path, options))) {
		sp_log_detail("kernels of %s come from %s (%.2f s)", file, path, sp_clock_seconds() - start);
		goto cleanup;
	}
	if ((st = build_source(out, d, &source, file, options, err)) != SP_OK)
		goto cleanup;
	sp_log_detail("kernels of %s are built with '%s' (%.2f s)", file, options, sp_clock_seconds() - start);
	if (path)
		sp_program_cache_store(d, path, *out);
cleanup:
	free(source.owned);
	free(path);
	return st;
}

/* The program of this process for a file and its options, built on first use; owned by the device. */
static sp_status find_program(cl_program *out, sp_device *d, const char *file, const char *options, const char *folder,
                              sp_error *err)
{
	size_t file_bytes = strlen(file) + 1, key_bytes = file_bytes + strlen(options) + 1;
	sp_program_entry *entry;
	char *key;
	sp_status st;

	for (size_t i = 0; i < d->n_programs; i++) {
		entry = &d->programs[i];
		if (strcmp(entry->key, file) == 0 && strcmp(entry->key + file_bytes, options) == 0) {
			*out = entry->program;
			return SP_OK;
		}
	}
	if ((st = sp_grow_array(&d->programs, &d->programs_capacity, d->n_programs + 1, sizeof *d->programs, err)) !=
	    SP_OK)
		return st;
	if (!(key = malloc(key_bytes)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory building %s", file);
	memcpy(key, file, file_bytes);
	memcpy(key + file_bytes, options, key_bytes - file_bytes);
	if ((st = load_or_build(out, d, file, options, folder, err)) != SP_OK) {
		free(key);
		return st;
	}
	d->programs[d->n_programs++] = (sp_program_entry){.key = key, .program = *out};
	return SP_OK;
}

/* Where to read kernels from instead of the binary, or NULL. */
static const char *kernel_folder(void)
{
	const char *folder = getenv("SPINEPLAN_KERNEL_DIR");

	return folder && *folder ? folder : NULL;
}

sp_status sp_device_source_hash(char out_hex[65], const char *file, sp_error *err)
{
	kernel_source source;
	sp_status st = read_source(&source, kernel_folder(), file, err);

	if (st == SP_OK)
		sp_sha256_bytes(out_hex, source.text, source.bytes);
	free(source.owned);
	return st;
}

sp_status sp_device_kernel(cl_kernel *out, sp_device *d, const char *file, const char *kernel, const char *options,
                           sp_error *err)
{
	const char *folder = kernel_folder();
	size_t bytes;
	char *all;
	cl_program program = NULL;
	cl_int code;
	sp_status st;

	*out = NULL;
	bytes = 64 + strlen(COMMON_OPTIONS) + (options ? strlen(options) : 0) + (folder ? strlen(folder) : 0);
	if (!(all = malloc(bytes)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory building %s", file);
	snprintf(all, bytes, "%s -DSP_DEVICE_IS_CPU=%d%s%s%s%s", COMMON_OPTIONS, d->info.is_cpu, options ? " " : "",
	         options ? options : "", folder ? " -I " : "", folder ? folder : "");
	if ((st = find_program(&program, d, file, all, folder, err)) == SP_OK) {
		*out = clCreateKernel(program, kernel, &code);
		if (!*out)
			st = sp_fail(err, SP_DEVICE, "no kernel '%s' in %s (options '%s'): %s", kernel, file, all,
			             sp_opencl_error_name(code));
	}
	free(all);
	return st;
}
