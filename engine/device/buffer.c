/* Device memory, with messages that name the buffer, its size and the limit. */
#include "device_internal.h"

#include <string.h>

#define SMALLEST_BYTES 16 /* what an empty buffer takes, since OpenCL has no buffers of 0 bytes */
#define MEBI (1024.0 * 1024.0)

sp_status sp_buffer_create(cl_mem *out, sp_device *d, cl_mem_flags flags, size_t bytes, const void *data,
                           const char *what, sp_error *err)
{
	void *host = NULL;
	cl_int code;

	*out = NULL;
	if (bytes > d->alloc_limit)
		return sp_fail(err, SP_DEVICE, "the buffer '%s' needs %.1f MiB, but %s allows %.1f MiB in one piece",
		               what, (double)bytes / MEBI, d->info.name, (double)d->alloc_limit / MEBI);
	if (bytes == 0) {
		bytes = SMALLEST_BYTES;
		flags &= ~(cl_mem_flags)(CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);
	} else if (data) {
		if (!(flags & CL_MEM_USE_HOST_PTR))
			flags |= CL_MEM_COPY_HOST_PTR;
		memcpy(&host, &data, sizeof host); /* OpenCL's parameter is not const, though it only reads */
	}
	*out = clCreateBuffer(d->context, flags, bytes, host, &code);
	if (*out)
		return SP_OK;
	return sp_fail(err, SP_DEVICE, "no device memory for the buffer '%s': %.1f MiB on %s with %.1f MiB in all (%s)",
	               what, (double)bytes / MEBI, d->info.name, (double)d->memory_limit / MEBI,
	               sp_opencl_error_name(code));
}

void sp_buffer_release(cl_mem *buffer)
{
	if (*buffer)
		clReleaseMemObject(*buffer);
	*buffer = NULL;
}

static sp_status check_transfer(const sp_device *d, const char *call, cl_int code, size_t bytes, sp_error *err)
{
	if (code == CL_SUCCESS)
		return SP_OK;
	return sp_fail(err, SP_DEVICE, "%s of %zu bytes on %s gives %s", call, bytes, d->info.name,
	               sp_opencl_error_name(code));
}

sp_status sp_buffer_write(sp_device *d, cl_mem buffer, size_t offset, size_t bytes, const void *data, sp_error *err)
{
	if (bytes == 0)
		return SP_OK;
	return check_transfer(d, "clEnqueueWriteBuffer",
	                      clEnqueueWriteBuffer(d->queue, buffer, CL_TRUE, offset, bytes, data, 0, NULL, NULL),
	                      bytes, err);
}

sp_status sp_buffer_read(sp_device *d, cl_mem buffer, size_t offset, size_t bytes, void *out, sp_error *err)
{
	if (bytes == 0)
		return SP_OK;
	return check_transfer(d, "clEnqueueReadBuffer",
	                      clEnqueueReadBuffer(d->queue, buffer, CL_TRUE, offset, bytes, out, 0, NULL, NULL), bytes,
	                      err);
}

sp_status sp_buffer_zero(sp_device *d, cl_mem buffer, size_t bytes, sp_error *err)
{
	static const cl_uint zeros[4] = {0};
	/* a wide pattern fills faster where the driver fills pattern by pattern */
	size_t pattern = bytes % 16 == 0 ? 16 : bytes % 4 == 0 ? 4 : 1;

	if (bytes == 0)
		return SP_OK;
	return check_transfer(d, "clEnqueueFillBuffer",
	                      clEnqueueFillBuffer(d->queue, buffer, zeros, pattern, 0, bytes, 0, NULL, NULL), bytes,
	                      err);
}
