/* What the files of this folder share: list.c finds devices, partition.c splits them, choose.c chooses, open.c opens,
 * program.c builds, program_cache.c keeps built programs on disk, buffer.c moves data, launch.c runs kernels. */
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
	sp_device **companions; /* opened with this one */
	size_t n_companions;
};

/* Into how many parts SPINEPLAN_SUBDEVICES asks each device to be split; 1 when it is not set. */
sp_status sp_device_parts_wanted(cl_uint *out, sp_error *err);

/* Splits a device into equal parts, or gives it back as it is where it cannot be split so (1 is returned). What comes
 * out is released with clReleaseDevice, which leaves a whole device alone. */
cl_uint sp_device_split(cl_device_id out[], cl_uint most, cl_device_id device, cl_uint parts);

/* Infos and ids of every usable device, in the order of the platforms; both malloc'ed. The caller releases the ids'
 * devices. */
sp_status sp_device_find_all(sp_device_info **infos_out, cl_device_id **ids_out, size_t *n, sp_error *err);

/* The devices that a selector names (see sp_device_open), in its order: *n_chosen of them in chosen, which has room for
 * n. */
sp_status sp_device_choose(size_t *chosen, size_t *n_chosen, const sp_device_info *infos, size_t n,
                           const char *selector, sp_error *err);

/* SP_DEVICE with what to install when a machine has no OpenCL device at all. */
sp_status sp_device_fail_none(sp_error *err);

/* The whole file name in the disk cache for a program, or NULL when there is no cache folder to be had. Free it. */
char *sp_program_cache_path(const sp_device *d, const char *source, size_t source_bytes, const char *options);

/* The program of a cache file, built and ready; NULL when the file is missing, damaged or refused by the driver. */
cl_program sp_program_cache_load(const sp_device *d, const char *path, const char *options);

/* Writes a built program; a failure is only logged, since the cache is a convenience. */
void sp_program_cache_store(const sp_device *d, const char *path, cl_program program);

#endif
