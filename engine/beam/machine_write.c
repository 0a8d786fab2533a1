/* Machine files as text: what sp_machine_read reads. */
#include "machine.h"

#include "alloc.h"
#include "atomic_file.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	char *text;
	size_t bytes, room;
	bool full; /* no memory: what came after is lost */
} writer;

__attribute__((format(printf, 2, 3))) static void say(writer *w, const char *format, ...)
{
	for (;;) {
		size_t left = w->room - w->bytes, room = 2 * w->room + 4096;
		va_list a;
		char *more;
		int n;

		va_start(a, format);
		n = vsnprintf(w->text ? w->text + w->bytes : NULL, left, format, a);
		va_end(a);
		if (w->full || n < 0)
			return;
		if ((size_t)n < left) {
			w->bytes += (size_t)n;
			return;
		}
		if (!(more = realloc(w->text, room))) {
			w->full = true;
			return;
		}
		w->text = more;
		w->room = room;
	}
}

static void say_list(writer *w, const char *key, const double *values, unsigned n)
{
	say(w, "  %s: [", key);
	for (unsigned i = 0; i < n; i++)
		say(w, "%s%.6g", i ? ", " : "", values[i]);
	say(w, "]\n");
}

static void say_about(writer *w, const char *about)
{
	for (size_t n; about && *about; about += n + (about[n] == '\n')) {
		n = strcspn(about, "\n");
		say(w, "# %.*s\n", (int)n, about);
	}
}

/* In quotes: a name may hold what YAML takes for something else. */
static void say_text(writer *w, const char *key, const char *value)
{
	say(w, "%s: \"", key);
	for (; *value; value++)
		say(w, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
	say(w, "\"\n");
}

static void say_source(writer *w, const sp_machine_source *s)
{
	say(w, "source:\n  spectrum: {electron_mev: %.6g, shape: %.6g, tungsten_g_cm2: %.6g, aluminium_g_cm2: %.6g}\n",
	    s->spectrum.electron_mev, s->spectrum.shape, s->spectrum.tungsten_g_cm2, s->spectrum.aluminium_g_cm2);
	say_list(w, "radius_mm", s->radius_mm, s->n_radii);
	say_list(w, "fluence", s->fluence, s->n_radii);
	say_list(w, "softening_g_cm2", s->softening_g_cm2, s->n_radii);
	say(w, "  extra_focal: {distance_mm: %.6g, sigma_mm: %.6g, share: %.6g, aluminium_g_cm2: %.6g}\n",
	    s->extra_focal.distance_mm, s->extra_focal.sigma_mm, s->extra_focal.share, s->extra_focal.aluminium_g_cm2);
	say(w, "  electrons: {distance_mm: %.6g, sigma_mm: %.6g, share: %.6g, mean_mev: %.6g}\n",
	    s->electrons.distance_mm, s->electrons.sigma_mm, s->electrons.share, s->electrons.mean_mev);
	say(w, "  output_per_mm: %.6g\n", s->output_per_mm);
}

static void say_limits(writer *w, const sp_machine_limits *l)
{
	say(w,
	    "limits:\n  gantry_speed_deg_s: %.6g\n  collimator_speed_deg_s: %.6g\n  couch_speed_deg_s: %.6g\n"
	    "  jaw_speed_mm_s: %.6g\n  max_dose_rate_mu_min: %.6g\n  min_mu_per_degree: %.6g\n"
	    "  max_mu_per_degree: %.6g\n  min_mu_per_control_point: %.6g\n  jaw_overtravel_mm: [%.6g, %.6g]\n"
	    "  max_field_mm: [%.6g, %.6g]\n  mu_rounding: %.6g\n  max_control_points: %u\n",
	    l->gantry_speed_deg_s, l->collimator_speed_deg_s, l->couch_speed_deg_s, l->jaw_speed_mm_s,
	    l->max_dose_rate_mu_min, l->min_mu_per_degree, l->max_mu_per_degree, l->min_mu_per_control_point,
	    l->jaw_overtravel_mm[0], l->jaw_overtravel_mm[1], l->max_field_mm[0], l->max_field_mm[1], l->mu_rounding,
	    l->max_control_points);
}

sp_status sp_machine_write(const sp_machine *m, const char *about, const char *path, sp_error *err)
{
	writer w = {0};
	sp_status st;

	say_about(&w, about);
	say_text(&w, "name", m->name);
	say(&w, "energy_mv: %.6g\nflattened: %s\nsad_mm: %.6g\nsource_fwhm_mm: [%.6g, %.6g]\ncollimator_mm: %.6g\n",
	    m->energy_mv, m->flattened ? "true" : "false", m->sad_mm, m->source_fwhm_mm[0], m->source_fwhm_mm[1],
	    m->collimator_mm);
	say_text(&w, "kernel", m->kernel);
	say(&w, "fluence_per_mu_cm2: %.6e\npencil_output: %.6g\n", m->fluence_per_mu_cm2, m->pencil_output);
	if (m->mlc_name)
		say_text(&w, "mlc", m->mlc_name);
	if (m->leaves)
		say(&w, "leaves: {transmission: %.6g, leaf_gap_mm: %.6g}\n", m->leaves->transmission,
		    m->leaves->leaf_gap_mm);
	say_source(&w, &m->source);
	say(&w, "jaws:\n  x_distance_mm: %.6g\n  y_distance_mm: %.6g\n  transmission: %.6g\n", m->jaws.x_distance_mm,
	    m->jaws.y_distance_mm, m->jaws.transmission);
	say_limits(&w, &m->limits);
	say(&w, "reference:\n  ssd_mm: %.6g\n  depth_mm: %.6g\n  field_mm: %.6g\n  gy_per_mu: %.6g\n",
	    m->reference.ssd_mm, m->reference.depth_mm, m->reference.field_mm, m->reference.gy_per_mu);
	st = w.full ? sp_fail(err, SP_NO_MEMORY, "no memory to write %s", path)
	            : sp_file_write_all(path, w.text, w.bytes, err);
	free(w.text);
	return st;
}
