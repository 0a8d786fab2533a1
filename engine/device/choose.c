/* Which of the devices a selector means. */
#include "device_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	return sp_fail(err, SP_DEVICE, "no OpenCL device fits '%s'; there is: %s", selector ? selector : "", there);
}

/* Do they round alike? */
static bool same_kind(const sp_device_info *a, const sp_device_info *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->platform, b->platform) == 0 &&
	       strcmp(a->driver, b->driver) == 0 && strcmp(a->version, b->version) == 0;
}

/* "0,2,3": at least two indices. */
static bool is_list(const char *selector)
{
	return selector && strchr(selector, ',') && selector[strspn(selector, "0123456789,")] == '\0';
}

sp_status sp_device_choose(size_t *chosen, size_t *n_chosen, const sp_device_info *infos, size_t n,
                           const char *selector, sp_error *err)
{
	sp_status st;

	*n_chosen = 0;
	if (selector && strcmp(selector, "all") == 0) {
		if ((st = choose(&chosen[0], infos, n, NULL, err)) != SP_OK)
			return st;
		for (size_t i = 0, best = chosen[0]; i < n; i++)
			if (same_kind(&infos[i], &infos[best]))
				chosen[(*n_chosen)++] = i;
		return SP_OK;
	}
	if (!is_list(selector)) {
		*n_chosen = 1;
		return choose(&chosen[0], infos, n, selector, err);
	}
	for (const char *at = selector; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		char *end;
		size_t index = strtoul(at, &end, 10);

		if (end == at || (*end && *end != ',') || index >= n)
			return sp_fail(err, SP_DEVICE,
			               "'%s' names devices that are not there: there are %zu, counted from 0", selector,
			               n);
		for (size_t i = 0; i < *n_chosen; i++)
			if (chosen[i] == index)
				return sp_fail(err, SP_DEVICE, "'%s' names device %zu twice", selector, index);
		if (*n_chosen && !same_kind(&infos[index], &infos[chosen[0]]))
			return sp_fail(err, SP_DEVICE,
			               "devices %zu (%s) and %zu (%s) are of other kinds and round differently; share "
			               "work out over devices of one kind",
			               chosen[0], infos[chosen[0]].name, index, infos[index].name);
		chosen[(*n_chosen)++] = index;
	}
	return SP_OK;
}
