/* Kernel arguments and launches. */
#include "device_internal.h"

#include <string.h>

static void kernel_name(char out[128], cl_kernel k)
{
	char name[1024] = "";

	if (clGetKernelInfo(k, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, NULL) != CL_SUCCESS)
		strcpy(name, "?");
	name[127] = '\0';
	memcpy(out, name, 128);
}

sp_status sp_kernel_set(cl_kernel k, cl_uint index, size_t bytes, const void *value, sp_error *err)
{
	cl_int code = clSetKernelArg(k, index, bytes, value);
	char name[128];

	if (code == CL_SUCCESS)
		return SP_OK;
	kernel_name(name, k);
	return sp_fail(err, SP_DEVICE, "setting argument %u (%zu bytes) of kernel %s: %s", index, bytes, name,
	               sp_opencl_error_name(code));
}

sp_status sp_kernel_set_all(cl_kernel k, const sp_argument *arguments, cl_uint n, sp_error *err)
{
	sp_status st = SP_OK;

	for (cl_uint i = 0; st == SP_OK && i < n; i++)
		st = sp_kernel_set(k, i, arguments[i].bytes, arguments[i].value, err);
	return st;
}

sp_status sp_device_launch(sp_device *d, cl_kernel k, size_t global, size_t local, sp_error *err)
{
	cl_int code;
	char name[128];

	if (global == 0)
		return SP_OK;
	if (local)
		global = (global + local - 1) / local * local;
	code = clEnqueueNDRangeKernel(d->queue, k, 1, NULL, &global, local ? &local : NULL, 0, NULL, NULL);
	if (code == CL_SUCCESS)
		return SP_OK;
	kernel_name(name, k);
	return sp_fail(err, SP_DEVICE, "launching kernel %s with %zu work-items in groups of %zu on %s: %s", name,
	               global, local, d->info.name, sp_opencl_error_name(code));
}

sp_status sp_device_finish(sp_device *d, sp_error *err)
{
	cl_int code = clFinish(d->queue);

	if (code == CL_SUCCESS)
		return SP_OK;
	return sp_fail(err, SP_DEVICE, "waiting for %s: %s", d->info.name, sp_opencl_error_name(code));
}
