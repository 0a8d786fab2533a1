/* OpenCL: choosing a device, building and caching programs, buffers and launches with errors that say what to do.
 * The kernels themselves are in cl_kernels/. */
#ifndef SP_DEVICE_H
#define SP_DEVICE_H

#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef struct sp_device sp_device; /* one device with its context, one in-order queue and its built programs */

typedef struct {
	char name[128], vendor[128], platform[128], version[128], driver[128];
	bool is_cpu, is_gpu, has_fp64, has_int64_atomics, shares_host_memory;
	size_t compute_units, clock_mhz, max_work_group, max_alloc_bytes, global_bytes, local_bytes;
} sp_device_info;

/* Every OpenCL device in a stable order; *out is malloc'ed. Zero devices is SP_OK with *n = 0. */
sp_status sp_device_list(sp_device_info **out, size_t *n, sp_error *err);

/* selector: NULL (then SPINEPLAN_DEVICE, then the best: GPU before accelerator before CPU, by compute units x clock),
 * an index of sp_device_list, or a part of the device's, else platform's or vendor's, name (any case). The choice is
 * logged. SP_DEVICE says what is there when nothing fits. Several indices ("0,2") or "all" (all of the best one's kind)
 * open more devices, the companions of the first, which lives as long as they; all are of one kind, so that they round
 * alike. SPINEPLAN_SUBDEVICES=N splits each device that can be into N, which are listed in its place. */
sp_status sp_device_open(sp_device **out, const char *selector, sp_error *err);
void sp_device_close(sp_device *d);

size_t sp_device_companions(const sp_device *d);
sp_device *sp_device_companion(const sp_device *d, size_t i);

/* Calls work for each piece 0 .. n_pieces - 1, by n_workers threads of which the first (worker 0) is the caller's; each
 * takes the next piece when it is free. After a failure no new piece is begun; its status and message come back. */
typedef sp_status sp_share_work(void *context, size_t worker, uint64_t piece, sp_error *err);
sp_status sp_device_share(sp_share_work *work, void *context, size_t n_workers, uint64_t n_pieces, sp_error *err);

const sp_device_info *sp_device_describe(const sp_device *d);
cl_context sp_device_context(const sp_device *d);
cl_command_queue sp_device_queue(const sp_device *d);

/* Bytes that one allocation, and all together, may safely take (asked of the device, with a reserve;
 * SPINEPLAN_DEVICE_MEMORY_MB lowers both for tests and shared machines). */
size_t sp_device_alloc_limit(const sp_device *d);
size_t sp_device_memory_limit(const sp_device *d);

/* Large things that stay on the device (influence matrices) book their bytes, so that two of them do not both count on
 * the same memory. False when memory_limit would be passed: keep the data on the host then. */
bool sp_device_reserve(sp_device *d, size_t bytes);
void sp_device_unreserve(sp_device *d, size_t bytes);

/* A kernel of the embedded file (base name, e.g. "pencil.cl") built with options ("-D...", NULL for none); programs
 * are cached in memory and on disk. The caller releases it with clReleaseKernel. A failed build gives SP_DEVICE with
 * the log. Every build also gets -cl-std=CL1.2 and -DSP_DEVICE_IS_CPU=0 or 1.
 * While developing, SPINEPLAN_KERNEL_DIR names a folder to read kernel files from instead of the embedded ones, and
 * SPINEPLAN_PROGRAM_CACHE=off leaves the disk cache ($XDG_CACHE_HOME/spineplan or ~/.cache/spineplan) alone; on PoCL,
 * which has a cache of its own, it is used only with SPINEPLAN_PROGRAM_CACHE=on. */
sp_status sp_device_kernel(cl_kernel *out, sp_device *d, const char *file, const char *kernel, const char *options,
                           sp_error *err);

/* SHA-256 of a kernel file's source, with all that it includes (but for SPINEPLAN_KERNEL_DIR, where it is the file's
 * own). */
sp_status sp_device_source_hash(char out_hex[65], const char *file, sp_error *err);

/* Buffers. `what` names the buffer in messages. data == NULL leaves the content undefined. bytes == 0 makes one of
 * 16 bytes, so that empty problems need no special case. Release with sp_buffer_release. */
sp_status sp_buffer_create(cl_mem *out, sp_device *d, cl_mem_flags flags, size_t bytes, const void *data,
                           const char *what, sp_error *err);
void sp_buffer_release(cl_mem *buffer); /* sets it to NULL; NULL is fine */
sp_status sp_buffer_write(sp_device *d, cl_mem buffer, size_t offset, size_t bytes, const void *data, sp_error *err);
sp_status sp_buffer_read(sp_device *d, cl_mem buffer, size_t offset, size_t bytes, void *out, sp_error *err);
sp_status sp_buffer_zero(sp_device *d, cl_mem buffer, size_t bytes, sp_error *err);

/* Sets one argument (value NULL with bytes: local memory). */
sp_status sp_kernel_set(cl_kernel k, cl_uint index, size_t bytes, const void *value, sp_error *err);
/* Sets arguments 0..n-1 from an array of {bytes, pointer}. */
typedef struct {
	size_t bytes;
	const void *value;
} sp_argument;
#define SP_ARG(variable) ((sp_argument){sizeof(variable), &(variable)})
sp_status sp_kernel_set_all(cl_kernel k, const sp_argument *arguments, cl_uint n, sp_error *err);

/* Queues a 1-D launch. local 0 lets the runtime choose; otherwise global is rounded up to a multiple (kernels guard).
 */
sp_status sp_device_launch(sp_device *d, cl_kernel k, size_t global, size_t local, sp_error *err);
sp_status sp_device_finish(sp_device *d, sp_error *err);

/* The name of an OpenCL error code, "CL_OUT_OF_RESOURCES" and the like. */
const char *sp_opencl_error_name(cl_int code);

#endif
