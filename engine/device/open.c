/* Chooses a device and opens it. */
#include "device_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"

#define MEBI (1024.0 * 1024.0)

/* A GPU's memory is also used by the screen and the driver; a CPU device's memory is the host's, where case, plan and
 * the driver's own copies live too. */
#define GPU_MEMORY_FRACTION 0.9
#define CPU_MEMORY_FRACTION 0.75

static double speed(const sp_device_info *info)
{
	double kind = info->is_gpu ? 2e12 : info->is_cpu ? 0.0 : 1e12;

	return kind + (double)info->compute_units * (double)(info->clock_mhz ? info->clock_mhz : 1);
}

static bool contains_ignoring_case(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text; text++) {
		size_t i = 0;

		while (i < n && text[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

/* Does the selector fit, by the device's own name (pass 0) or its platform's or vendor's (pass 1)? */
static bool fits(const sp_device_info *info, const char *selector, int pass)
{
	if (!selector)
		return true;
	if (pass == 0)
		return contains_ignoring_case(info->name, selector);
	return contains_ignoring_case(info->platform, selector) || contains_ignoring_case(info->vendor, selector);
}

static bool parse_index(const char *selector, size_t *index)
{
	char *end;
	unsigned long value;

	if (!selector || !isdigit((unsigned char)*selector))
		return false;
	errno = 0;
	value = strtoul(selector, &end, 10);
	*index = value;
	return *end == '\0' && errno == 0;
}

static sp_status choose(size_t *out, const sp_device_info *infos, size_t n, const char *selector, sp_error *err)
{
	size_t index, used = 0;
	bool found = false;
	char there[1024] = "";

	if (parse_index(selector, &index) && index < n) {
		*out = index;
		return SP_OK;
	}
	for (int pass = 0; pass < 2 && !found; pass++)
		for (size_t i = 0; i < n; i++)
			if (fits(&infos[i], selector, pass) && (!found || speed(&infos[i]) > speed(&infos[*out]))) {
				*out = i;
				found = true;
			}
	if (found)
		return SP_OK;
	for (size_t i = 0; i < n && used < sizeof there; i++)
		used += (size_t)snprintf(there + used, sizeof there - used, "%s%zu = %s (%s)", i ? ", " : "", i,
		                         infos[i].name, infos[i].platform);
	return sp_fail(err, SP_DEVICE, "no OpenCL device fits '%s'; there is: %s", selector, there);
}

/* SPINEPLAN_DEVICE_MEMORY_MB, or 0 when it is not set. */
static sp_status memory_from_environment(size_t *bytes_out, sp_error *err)
{
	const char *text = getenv("SPINEPLAN_DEVICE_MEMORY_MB");
	char *end;
	double megabytes;

	*bytes_out = 0;
	if (!text || !*text)
		return SP_OK;
	megabytes = strtod(text, &end);
	if (*end || !(megabytes > 0.0 && megabytes < 1e9))
		return sp_fail(err, SP_BAD_INPUT, "SPINEPLAN_DEVICE_MEMORY_MB is '%s', expected a number of MiB > 0",
		               text);
	*bytes_out = (size_t)(megabytes * MEBI);
	return SP_OK;
}

static sp_status set_limits(sp_device *d, sp_error *err)
{
	double fraction = d->info.is_cpu ? CPU_MEMORY_FRACTION : GPU_MEMORY_FRACTION;
	size_t asked;
	sp_status st = memory_from_environment(&asked, err);

	d->memory_limit = (size_t)(fraction * (double)d->info.global_bytes);
	d->alloc_limit = d->info.max_alloc_bytes < d->memory_limit ? d->info.max_alloc_bytes : d->memory_limit;
	if (asked && asked < d->memory_limit)
		d->memory_limit = asked;
	if (asked && asked < d->alloc_limit)
		d->alloc_limit = asked;
	return st;
}

static sp_status make_context(sp_device *d, sp_error *err)
{
	cl_int code;

	d->context = clCreateContext(NULL, 1, &d->id, NULL, NULL, &code);
	if (!d->context)
		return sp_fail(err, SP_DEVICE, "cannot open device %s: clCreateContext gives %s", d->info.name,
		               sp_opencl_error_name(code));
	d->queue = clCreateCommandQueue(d->context, d->id, 0, &code);
	if (!d->queue)
		return sp_fail(err, SP_DEVICE, "cannot open device %s: clCreateCommandQueue gives %s", d->info.name,
		               sp_opencl_error_name(code));
	return SP_OK;
}

sp_status sp_device_open(sp_device **out, const char *selector, sp_error *err)
{
	sp_device_info *infos = NULL;
	cl_device_id *ids = NULL;
	size_t n, index;
	sp_device *d = NULL;
	sp_status st;

	*out = NULL;
	if (!selector)
		selector = getenv("SPINEPLAN_DEVICE");
	if (selector && !*selector)
		selector = NULL;
	if ((st = sp_device_find_all(&infos, &ids, &n, err)) != SP_OK)
		return st;
	if (n == 0) {
		st = sp_device_fail_none(err);
		goto cleanup;
	}
	if ((st = choose(&index, infos, n, selector, err)) != SP_OK)
		goto cleanup;
	if (!(d = calloc(1, sizeof *d))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory opening device %s", infos[index].name);
		goto cleanup;
	}
	d->info = infos[index];
	d->id = ids[index];
	if ((st = set_limits(d, err)) != SP_OK || (st = make_context(d, err)) != SP_OK)
		goto cleanup;
	sp_log_info("device %zu: %s (%s, %zu compute units, %.1f GiB)", index, d->info.name, d->info.platform,
	            d->info.compute_units, (double)d->memory_limit / MEBI / 1024.0);
	*out = d;
	d = NULL;
cleanup:
	sp_device_close(d);
	free(infos);
	free(ids);
	return st;
}

void sp_device_close(sp_device *d)
{
	if (!d)
		return;
	if (d->queue)
		clFinish(d->queue);
	for (size_t i = 0; i < d->n_programs; i++) {
		clReleaseProgram(d->programs[i].program);
		free(d->programs[i].key);
	}
	free(d->programs);
	if (d->queue)
		clReleaseCommandQueue(d->queue);
	if (d->context)
		clReleaseContext(d->context);
	free(d);
}

const sp_device_info *sp_device_describe(const sp_device *d)
{
	return &d->info;
}

cl_context sp_device_context(const sp_device *d)
{
	return d->context;
}

cl_command_queue sp_device_queue(const sp_device *d)
{
	return d->queue;
}

size_t sp_device_alloc_limit(const sp_device *d)
{
	return d->alloc_limit;
}

size_t sp_device_memory_limit(const sp_device *d)
{
	return d->memory_limit;
}

bool sp_device_reserve(sp_device *d, size_t bytes)
{
	if (bytes > d->memory_limit - d->reserved_bytes)
		return false;
	d->reserved_bytes += bytes;
	return true;
}

void sp_device_unreserve(sp_device *d, size_t bytes)
{
	d->reserved_bytes -= bytes;
}
