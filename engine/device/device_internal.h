/* What the files of this folder share: list.c finds devices, open.c opens one, program.c builds, program_cache.c keeps
 * built programs on disk, buffer.c moves data, launch.c runs kernels. */
#ifndef SP_DEVICE_INTERNAL_H
#define SP_DEVICE_INTERNAL_H

#include "device.h"

/* One built program, kept as long as the device is open. */
typedef struct {
	char *key; /* file, zero byte, options, zero byte */
	cl_program program;
} sp_program_entry;

struct sp_device {
	sp_device_info info;
	cl_device_id id;
	cl_context context;
	cl_command_queue queue;
	size_t alloc_limit, memory_limit, reserved_bytes;
	sp_program_entry *programs;
	size_t n_programs, programs_capacity;
};

/* Infos and ids of every usable device, in the order of the platforms; both malloc'ed. */
sp_status sp_device_find_all(sp_device_info **infos_out, cl_device_id **ids_out, size_t *n, sp_error *err);

/* SP_DEVICE with what to install when a machine has no OpenCL device at all. */
sp_status sp_device_fail_none(sp_error *err);

/* The whole file name in the disk cache for a program, or NULL when there is no cache folder to be had. Free it. */
char *sp_program_cache_path(const sp_device *d, const char *source, size_t source_bytes, const char *options);

/* The program of a cache file, built and ready; NULL when the file is missing, damaged or refused by the driver. */
cl_program sp_program_cache_load(const sp_device *d, const char *path, const char *options);

/* Writes a built program; a failure is only logged, since the cache is a convenience. */
void sp_program_cache_store(const sp_device *d, const char *path, cl_program program);

#endif
