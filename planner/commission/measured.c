#include "measured_internal.h"

#include "alloc.h"
#include "atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_FILE_BYTES ((size_t)1 << 26)
#define MAX_SCANS 4096

sp_status sp_measured_add_scan(sp_measured_scan **out, sp_measured *m, sp_measured_kind kind, const char *file,
                               size_t line, sp_error *err)
{
	sp_measured_scan *more;
	size_t bytes = strlen(file) + 32;

	if (m->n >= MAX_SCANS)
		return sp_fail(err, SP_BAD_INPUT, "%s line %zu: more than %d scans", file, line, MAX_SCANS);
	if (!(more = realloc(m->scans, (m->n + 1) * sizeof *more)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the scans of %s", file);
	m->scans = more;
	*out = more + m->n;
	**out = (sp_measured_scan){.kind = kind, .where = malloc(bytes)};
	if (!(*out)->where)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the scans of %s", file);
	snprintf((*out)->where, bytes, "%s line %zu", file, line);
	m->n++;
	return SP_OK;
}

sp_status sp_measured_add_point(sp_measured_scan *s, const sp_measured_point *p, sp_error *err)
{
	if ((s->n & (s->n - 1)) == 0) { /* room for a power of two */
		sp_measured_point *more = realloc(s->points, (s->n ? 2 * s->n : 1) * sizeof *more);

		if (!more)
			return sp_fail(err, SP_NO_MEMORY, "no memory for the points of %s", s->where);
		s->points = more;
	}
	s->points[s->n++] = *p;
	return SP_OK;
}

static bool is_measured(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (strcasecmp(dot, ".csv") == 0 || strcasecmp(dot, ".asc") == 0);
}

/* Names stand in the JSON of the results, which takes UTF-8 alone. */
static sp_status check_name(const char *name, sp_error *err)
{
	json_t *text = json_string(name);

	json_decref(text);
	return text ? SP_OK
	            : sp_fail(err, SP_BAD_INPUT, "%s: the name is not UTF-8 text, as the results need it: rename it",
	                      name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a folder's files of measurements, sorted; freed by free_names. */
static sp_status list(char ***names, size_t *n, const char *folder, sp_error *err)
{
	DIR *d = opendir(folder);
	sp_status st = SP_OK;

	*names = NULL;
	*n = 0;
	if (!d)
		return sp_fail(err, SP_BAD_INPUT, "%s: %s", folder, strerror(errno));
	for (struct dirent *e; st == SP_OK && (e = readdir(d));) {
		char **more;

		if (!is_measured(e->d_name))
			continue;
		if ((st = check_name(e->d_name, err)) != SP_OK)
			break;
		if (!(more = realloc(*names, (*n + 1) * sizeof *more)) || !((*names = more)[*n] = strdup(e->d_name)))
			st = sp_fail(err, SP_NO_MEMORY, "no memory for the list of files in %s", folder);
		else
			++*n;
	}
	closedir(d);
	if (st == SP_OK)
		st = check_name(folder, err);
	if (st == SP_OK && *n == 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s holds no measurements: no *.csv (one table) and no *.asc (W2CAD)",
		             folder);
	if (*n)
		qsort(*names, *n, sizeof **names, by_name);
	return st;
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static sp_status read_one(sp_measured *m, const char *folder, const char *name, sp_error *err)
{
	size_t room = strlen(folder) + strlen(name) + 2, bytes, first = m->n;
	char *path = malloc(room), *text = NULL;
	sp_status st;

	if (!path)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a path");
	snprintf(path, room, "%s/%s", folder, name);
	if ((st = sp_file_read_all(&text, &bytes, path, MAX_FILE_BYTES, err)) == SP_OK)
		st = strcasecmp(strrchr(name, '.'), ".csv") == 0 ? sp_measured_read_csv(m, name, text, bytes, err)
		                                                 : sp_measured_read_w2cad(m, name, text, err);
	if (st == SP_OK)
		st = sp_measured_check(m, first, err);
	free(text);
	free(path);
	return st;
}

sp_status sp_measured_read(sp_measured *out, const char *folder, sp_error *err)
{
	char **names;
	size_t n;
	sp_status st = list(&names, &n, folder, err);

	*out = (sp_measured){0};
	for (size_t i = 0; st == SP_OK && i < n; i++)
		st = read_one(out, folder, names[i], err);
	if (st == SP_OK && out->n == 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s: the files hold no scan of an open field", folder);
	free_names(names, n);
	if (st != SP_OK)
		sp_measured_finish(out);
	return st;
}

void sp_measured_finish(sp_measured *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->scans[i].where);
		free(m->scans[i].points);
	}
	free(m->scans);
	*m = (sp_measured){0};
}

const char *sp_measured_kind_name(sp_measured_kind kind)
{
	static const char *const names[] = {"depth dose", "profile", "output factors", "absolute dose", "sweeping gap"};

	return names[kind];
}

void sp_measured_describe(char *text, size_t bytes, const sp_measured_scan *s)
{
	const sp_measured_point *p = s->points;
	char along[32];

	if (s->kind == SP_MEASURED_OUTPUT) {
		snprintf(text, bytes, "output factors of %zu fields, %g mm deep", s->n, p->depth_mm);
		return;
	}
	if (s->direction_deg == 0.0 || s->direction_deg == 90.0)
		snprintf(along, sizeof along, "along %c", s->direction_deg == 0.0 ? 'x' : 'y');
	else
		snprintf(along, sizeof along, "at %.0f degrees", s->direction_deg);
	if (s->kind == SP_MEASURED_PROFILE)
		snprintf(text, bytes, "%g x %g mm, profile %s, %g mm deep", p->field_mm[0], p->field_mm[1], along,
		         p->depth_mm);
	else if (s->kind == SP_MEASURED_DEPTH)
		snprintf(text, bytes, "%g x %g mm, depth dose", p->field_mm[0], p->field_mm[1]);
	else
		snprintf(text, bytes, "%g x %g mm, %s, %g mm deep", p->field_mm[0], p->field_mm[1],
		         sp_measured_kind_name(s->kind), p->depth_mm);
}
