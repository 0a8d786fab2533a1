#include "setup_errors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define MOST_DIRECTIONS 26

bool sp_setup_errors_parse(sp_setup_errors *out, const char *text)
{
	out->n_shifts = out->n_rotations = 0;
	for (;;) {
		char *rest;
		double value = strtod(text, &rest);
		bool is_shift = strncmp(rest, "mm", 2) == 0, is_turn = strncmp(rest, "deg", 3) == 0;

		if (rest == text || !(value > 0.0))
			return false;
		if (is_shift && value <= 20.0 && out->n_shifts < SP_MOST_ERRORS)
			out->shift_mm[out->n_shifts++] = value;
		else if (is_turn && value <= 10.0 && out->n_rotations < SP_MOST_ERRORS)
			out->rotation_deg[out->n_rotations++] = value;
		else
			return false;
		rest += is_shift ? 2 : 3;
		if (*rest == '\0')
			return true;
		if (*rest != ',')
			return false;
		text = rest + 1;
	}
}

/* Directions with `nonzero` components, in a fixed order. */
static size_t add_directions(int out[MOST_DIRECTIONS][3], size_t n, int nonzero)
{
	for (int k = 0; k < 27; k++) {
		const int d[3] = {k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1};

		if (abs(d[0]) + abs(d[1]) + abs(d[2]) == nonzero)
			memcpy(out[n++], d, sizeof d);
	}
	return n;
}

static size_t choose_directions(int out[MOST_DIRECTIONS][3], unsigned directions)
{
	size_t n = add_directions(out, 0, 1);

	if (directions == 14 || directions == 26)
		n = add_directions(out, n, 3);
	if (directions == 18 || directions == 26)
		n = add_directions(out, n, 2);
	return n;
}

static void set_shift(sp_scenario *s, const int direction[3], double mm)
{
	static const char *const words[3][2] = {{"right", "left"}, {"front", "back"}, {"feet", "head"}};
	double length = 0.0;
	size_t used = (size_t)snprintf(s->name, sizeof s->name, "%g mm", mm);

	for (int a = 0; a < 3; a++)
		length += direction[a] * direction[a];
	for (int a = 0; a < 3; a++) {
		s->shift_mm[a] = mm * direction[a] / sqrt(length);
		if (direction[a])
			used += (size_t)snprintf(s->name + used, sizeof s->name - used, " %s",
			                         words[a][direction[a] > 0]);
	}
}

static void add_turn(sp_scenario *s, int axis, double deg)
{
	size_t used = strlen(s->name);

	s->rotation_deg[axis] = deg;
	snprintf(s->name + used, sizeof s->name - used, "%s%+g deg about %c", used ? ", " : "", deg, "xyz"[axis]);
}

sp_status sp_scenarios_make(sp_scenario **out, size_t *n_out, const sp_setup_errors *e, sp_error *err)
{
	int directions[MOST_DIRECTIONS][3];
	size_t n_directions = choose_directions(directions, e->directions), shifts = e->n_shifts * n_directions;
	size_t turns = e->n_rotations * 6, n = 0;
	sp_scenario *s;

	*out = NULL;
	if (e->directions != 6 && e->directions != 14 && e->directions != 18 && e->directions != 26)
		return sp_fail(err, SP_BAD_INPUT, "shifts in %u directions were asked for, expected 6, 14, 18 or 26",
		               e->directions);
	if (!(s = sp_alloc_array(shifts + turns + (e->together ? shifts * turns : 0), sizeof *s)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu scenarios", shifts + turns);
	for (size_t k = 0; k < e->n_shifts; k++)
		for (size_t d = 0; d < n_directions; d++)
			set_shift(&s[n++], directions[d], e->shift_mm[k]);
	for (size_t k = 0; k < turns; k++)
		add_turn(&s[n++], (int)(k % 6 / 2), (k % 2 ? -1.0 : 1.0) * e->rotation_deg[k / 6]);
	for (size_t i = 0; e->together && i < shifts; i++)
		for (size_t k = 0; k < turns; k++) {
			s[n] = s[i];
			add_turn(&s[n++], (int)(k % 6 / 2), (k % 2 ? -1.0 : 1.0) * e->rotation_deg[k / 6]);
		}
	*out = s;
	*n_out = n;
	return SP_OK;
}
