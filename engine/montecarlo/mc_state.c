/* Ranges of batches, configurations, and adding up parts of a run. Files: mc_state_file.c. */
#include "mc_state.h"

#include "alloc.h"

#include <stdlib.h>
#include <string.h>

void sp_mc_state_finish(sp_mc_state *s)
{
	free(s->configuration);
	free(s->device);
	sp_mc_scoring_finish(&s->scoring);
	sp_mc_sums_finish(&s->sums);
	free(s->ranges);
	*s = (sp_mc_state){0};
}

sp_status sp_mc_same_configuration(const char *a, const char *name_a, const char *b, const char *name_b, sp_error *err)
{
	size_t line_a, line_b;

	while (*a || *b) {
		line_a = strcspn(a, "\n");
		line_b = strcspn(b, "\n");
		if (line_a != line_b || memcmp(a, b, line_a) != 0)
			return sp_fail(err, SP_BAD_INPUT, "%s and %s are not of the same run: '%.*s' against '%.*s'",
			               name_a, name_b, (int)line_a, a, (int)line_b, b);
		a += line_a + (a[line_a] != '\0');
		b += line_b + (b[line_b] != '\0');
	}
	return SP_OK;
}

static int by_first(const void *a, const void *b)
{
	uint64_t x = ((const sp_mc_range *)a)->first, y = ((const sp_mc_range *)b)->first;

	return (x > y) - (x < y);
}

/* The ranges of both, sorted, neighbours joined. */
static sp_status join_ranges(sp_mc_state *a, const char *name_a, const sp_mc_state *b, const char *name_b,
                             sp_error *err)
{
	sp_mc_range *all = sp_alloc_array(a->n_ranges + b->n_ranges, sizeof *all);
	size_t n = a->n_ranges + b->n_ranges, kept = 0;

	if (!all)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu ranges", n);
	memcpy(all, a->ranges, a->n_ranges * sizeof *all);
	memcpy(all + a->n_ranges, b->ranges, b->n_ranges * sizeof *all);
	qsort(all, n, sizeof *all, by_first);
	for (size_t i = 1; i < n; i++)
		if (all[i].first < all[i - 1].first + all[i - 1].n) {
			sp_fail(err, SP_BAD_INPUT, "%s and %s overlap: both hold batch %llu; a batch counts once",
			        name_a, name_b, (unsigned long long)all[i].first);
			free(all);
			return SP_BAD_INPUT;
		}
	for (size_t i = 1; i < n; i++)
		if (all[i].first == all[kept].first + all[kept].n)
			all[kept].n += all[i].n;
		else
			all[++kept] = all[i];
	free(a->ranges);
	a->ranges = all;
	a->n_ranges = kept + 1;
	return SP_OK;
}

sp_status sp_mc_state_add(sp_mc_state *a, const char *name_a, const sp_mc_state *b, const char *name_b, sp_error *err)
{
	size_t n = sp_grid_voxels(&a->scoring.grid);
	sp_status st;

	if ((st = sp_mc_same_configuration(a->configuration, name_a, b->configuration, name_b, err)) != SP_OK)
		return st;
	if (!sp_grid_equal(&a->scoring.grid, &b->scoring.grid) || a->sums.shift != b->sums.shift)
		return sp_fail(err, SP_BAD_INPUT, "%s and %s have other dose grids", name_a, name_b);
	if ((st = join_ranges(a, name_a, b, name_b, err)) != SP_OK)
		return st;
	sp_mc_sums_add(&a->sums, &b->sums, n);
	a->seconds += b->seconds;
	return SP_OK;
}
