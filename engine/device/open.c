/* Opens devices: context, queue, limits of memory. */
#include "device_internal.h"

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

/* Opens device `index` of the list, which gives up its id. */
static sp_status open_one(sp_device **out, const sp_device_info *infos, cl_device_id *ids, size_t index, sp_error *err)
{
	sp_device *d = calloc(1, sizeof *d);
	sp_status st;

	*out = NULL;
	if (!d)
		return sp_fail(err, SP_NO_MEMORY, "out of memory opening device %s", infos[index].name);
	d->info = infos[index];
	d->id = ids[index];
	ids[index] = NULL;
	if ((st = set_limits(d, err)) != SP_OK || (st = make_context(d, err)) != SP_OK) {
		sp_device_close(d);
		return st;
	}
	sp_log_info("device %zu: %s (%s, %zu compute units, %.1f GiB)", index, d->info.name, d->info.platform,
	            d->info.compute_units, (double)d->memory_limit / MEBI / 1024.0);
	*out = d;
	return SP_OK;
}

sp_status sp_device_open(sp_device **out, const char *selector, sp_error *err)
{
	sp_device_info *infos = NULL;
	cl_device_id *ids = NULL;
	size_t n = 0, *chosen = NULL, n_chosen;
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
	if (!(chosen = sp_alloc_array(n, sizeof *chosen))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory choosing a device");
		goto cleanup;
	}
	if ((st = sp_device_choose(chosen, &n_chosen, infos, n, selector, err)) != SP_OK ||
	    (st = open_one(&d, infos, ids, chosen[0], err)) != SP_OK)
		goto cleanup;
	if (n_chosen > 1 && !(d->companions = sp_alloc_array(n_chosen - 1, sizeof *d->companions))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory opening %zu devices", n_chosen);
		goto cleanup;
	}
	for (size_t i = 1; i < n_chosen; i++) {
		if ((st = open_one(&d->companions[d->n_companions], infos, ids, chosen[i], err)) != SP_OK)
			goto cleanup;
		d->n_companions++;
	}
	*out = d;
	d = NULL;
cleanup:
	sp_device_close(d);
	for (size_t i = 0; ids && i < n; i++)
		if (ids[i])
			clReleaseDevice(ids[i]);
	free(chosen);
	free(infos);
	free(ids);
	return st;
}

void sp_device_close(sp_device *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_companions; i++)
		sp_device_close(d->companions[i]);
	free(d->companions);
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
	clReleaseDevice(d->id);
	free(d);
}

size_t sp_device_companions(const sp_device *d)
{
	return d->n_companions;
}

sp_device *sp_device_companion(const sp_device *d, size_t i)
{
	return d->companions[i];
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
