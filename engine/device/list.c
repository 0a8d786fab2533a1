/* Finds the OpenCL devices of the machine. */
#include "device_internal.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"

#define PLATFORM_NOT_FOUND_KHR (-1001) /* what the ICD loader answers when no driver is installed */

sp_status sp_device_fail_none(sp_error *err)
{
	return sp_fail(
	        err, SP_DEVICE,
	        "no OpenCL device is found; install pocl-opencl-icd (runs on any CPU) or the driver of your GPU, "
	        "and check that OCL_ICD_VENDORS, if set, points at a folder with .icd files");
}

/* Text properties may be longer than our field, and trailing spaces are common. */
static void trim_into(char *out, size_t out_bytes, const char *text)
{
	size_t n;

	while (*text == ' ')
		text++;
	n = strlen(text);
	while (n && text[n - 1] == ' ')
		n--;
	if (n >= out_bytes)
		n = out_bytes - 1;
	memcpy(out, text, n);
	out[n] = '\0';
}

static void device_text(char *out, size_t out_bytes, cl_device_id id, cl_device_info what)
{
	char text[4096] = "";

	if (clGetDeviceInfo(id, what, sizeof text - 1, text, NULL) != CL_SUCCESS)
		text[0] = '\0';
	trim_into(out, out_bytes, text);
}

static void platform_text(char *out, size_t out_bytes, cl_platform_id id)
{
	char text[1024] = "";

	if (clGetPlatformInfo(id, CL_PLATFORM_NAME, sizeof text - 1, text, NULL) != CL_SUCCESS)
		text[0] = '\0';
	trim_into(out, out_bytes, text);
}

/* True when the extension's whole name stands in the device's list, whose length is the driver's to choose. */
static bool has_extension(cl_device_id id, const char *name)
{
	size_t bytes = 0, length = strlen(name);
	char *list = NULL;
	bool found = false;

	if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &bytes) != CL_SUCCESS || !(list = calloc(bytes + 1, 1)))
		return false;
	if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, bytes, list, NULL) == CL_SUCCESS)
		for (const char *p = list; !found && (p = strstr(p, name)); p += length)
			found = (p == list || p[-1] == ' ') && (p[length] == ' ' || p[length] == '\0');
	free(list);
	return found;
}

static bool is_usable(cl_device_id id)
{
	cl_bool available = CL_FALSE, compiler = CL_FALSE;

	clGetDeviceInfo(id, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL);
	clGetDeviceInfo(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL);
	return available && compiler;
}

static void describe(sp_device_info *out, cl_platform_id platform, cl_device_id id)
{
	cl_device_type type = 0;
	cl_device_fp_config fp64 = 0;
	cl_uint units = 1, clock = 0;
	cl_ulong max_alloc = 0, global = 0, local = 0;
	cl_bool unified = CL_FALSE;

	memset(out, 0, sizeof *out);
	device_text(out->name, sizeof out->name, id, CL_DEVICE_NAME);
	device_text(out->vendor, sizeof out->vendor, id, CL_DEVICE_VENDOR);
	device_text(out->version, sizeof out->version, id, CL_DEVICE_VERSION);
	device_text(out->driver, sizeof out->driver, id, CL_DRIVER_VERSION);
	platform_text(out->platform, sizeof out->platform, platform);
	clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
	clGetDeviceInfo(id, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof fp64, &fp64, NULL);
	clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
	clGetDeviceInfo(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock, NULL);
	clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof out->max_work_group, &out->max_work_group, NULL);
	clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof max_alloc, &max_alloc, NULL);
	clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global, NULL);
	clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
	clGetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified, NULL);
	out->is_cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
	out->is_gpu = !out->is_cpu && (type & CL_DEVICE_TYPE_GPU) != 0;
	out->has_fp64 = fp64 != 0;
	out->has_int64_atomics = has_extension(id, "cl_khr_int64_base_atomics");
	out->shares_host_memory = out->is_cpu || unified;
	out->compute_units = units;
	out->clock_mhz = clock;
	out->max_alloc_bytes = (size_t)max_alloc;
	out->global_bytes = (size_t)global;
	out->local_bytes = (size_t)local;
}

static void release_all(const cl_device_id *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		clReleaseDevice(ids[i]);
}

/* Appends the platform's devices. A platform that fails (a driver without its hardware) counts as one without. */
static sp_status add_platform(sp_device_info **infos, size_t *infos_capacity, cl_device_id **ids, size_t *ids_capacity,
                              size_t *n, cl_platform_id platform, cl_uint parts, sp_error *err)
{
	cl_device_id found[64], part[64];
	cl_uint n_found = 0, n_parts;
	sp_status st;

	if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 64, found, &n_found) != CL_SUCCESS)
		return SP_OK;
	for (cl_uint i = 0; i < n_found && i < 64; i++) {
		if (!is_usable(found[i]))
			continue;
		n_parts = sp_device_split(part, 64, found[i], parts);
		if ((st = sp_grow_array(infos, infos_capacity, *n + n_parts, sizeof **infos, err)) != SP_OK ||
		    (st = sp_grow_array(ids, ids_capacity, *n + n_parts, sizeof **ids, err)) != SP_OK) {
			release_all(part, n_parts);
			return st;
		}
		for (cl_uint p = 0; p < n_parts; p++) {
			describe(&(*infos)[*n], platform, part[p]);
			(*infos)[*n].global_bytes /= n_parts; /* which a part is told to have all of */
			(*ids)[(*n)++] = part[p];
		}
	}
	return SP_OK;
}

sp_status sp_device_find_all(sp_device_info **infos_out, cl_device_id **ids_out, size_t *n, sp_error *err)
{
	cl_platform_id platforms[32];
	cl_uint n_platforms = 0;
	sp_device_info *infos = NULL;
	cl_device_id *ids = NULL;
	size_t infos_capacity = 0, ids_capacity = 0;
	cl_uint parts;
	sp_status st;
	cl_int code;

	*infos_out = NULL;
	*ids_out = NULL;
	*n = 0;
	if ((st = sp_device_parts_wanted(&parts, err)) != SP_OK)
		return st;
	code = clGetPlatformIDs(32, platforms, &n_platforms);
	if (code == PLATFORM_NOT_FOUND_KHR)
		n_platforms = 0;
	else if (code != CL_SUCCESS)
		return sp_fail(err, SP_DEVICE, "listing OpenCL platforms: %s", sp_opencl_error_name(code));
	for (cl_uint i = 0; i < n_platforms && i < 32; i++)
		if ((st = add_platform(&infos, &infos_capacity, &ids, &ids_capacity, n, platforms[i], parts, err)) !=
		    SP_OK)
			goto cleanup;
	*infos_out = infos;
	*ids_out = ids;
	infos = NULL;
	ids = NULL;
cleanup:
	if (ids) {
		release_all(ids, *n);
		*n = 0;
	}
	free(infos);
	free(ids);
	return st;
}

sp_status sp_device_list(sp_device_info **out, size_t *n, sp_error *err)
{
	cl_device_id *ids = NULL;
	sp_status st = sp_device_find_all(out, &ids, n, err);

	if (ids)
		release_all(ids, *n);
	free(ids);
	return st;
}
