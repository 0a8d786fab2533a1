#include "mc_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "h5.h"
#include "log.h"

const char *sp_mc_configured(size_t *length_out, const char *configuration, const char *name)
{
	size_t n = strlen(name);

	while (*configuration) {
		size_t line = strcspn(configuration, "\n");

		if (line > n + 2 && memcmp(configuration, name, n) == 0 && configuration[n] == ':') {
			*length_out = line - n - 2;
			return configuration + n + 2;
		}
		configuration += line + (configuration[line] != '\0');
	}
	*length_out = 0;
	return NULL;
}

/* True if the configuration has exactly this value. */
static bool is_configured(const sp_mc_state *s, const char *name, const char *value)
{
	size_t n;
	const char *found = sp_mc_configured(&n, s->configuration, name);

	return found && n == strlen(value) && memcmp(found, value, n) == 0;
}

json_t *sp_mc_provenance(int argc, char **argv)
{
	json_t *command = json_array();
	char utc[21];

	for (int i = 0; i < argc; i++) {
		json_t *word = json_string(argv[i]);

		json_array_append_new(command, word ? word : json_string("(not UTF-8)"));
	}
	sp_clock_utc_text(utc);
	return json_pack("{s:s, s:s, s:o}", "program", "spineplan " SP_VERSION, "made_utc", utc, "command_line",
	                 command);
}

/* The configuration's lines, and what the run reached. */
static void complete(json_t *p, const sp_mc_state *s, const sp_mc_quality *q, const sp_mc_balance *b)
{
	const char *at = s->configuration;
	json_t *configuration = json_object();

	while (*at) {
		size_t line = strcspn(at, "\n"), name = strcspn(at, ":");

		if (name + 2 <= line) {
			char key[64];
			json_t *value = json_stringn(at + name + 2, line - name - 2);

			snprintf(key, sizeof key, "%.*s", (int)name, at);
			json_object_set_new(configuration, key, value ? value : json_string("(not UTF-8)"));
		}
		at += line + (at[line] != '\0');
	}
	json_object_set_new(p, "configuration", configuration);
	json_object_set_new(p, "device", json_string(s->device));
	json_object_set_new(p, "batches", json_integer((json_int_t)s->sums.batches));
	json_object_set_new(p, "histories", json_integer((json_int_t)(s->sums.batches * s->scoring.batch_histories)));
	json_object_set_new(p, "transport_seconds", json_real(s->seconds));
	if (q) {
		json_object_set_new(p, "mean_sigma_percent", json_real(100.0 * q->mean_sigma));
		json_object_set_new(p, "max_dose_gy", json_real(q->max_gy));
	}
	json_object_set_new(p, "energy",
	                    json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "emitted_mev", b->emitted_mev,
	                              "deposited_mev", b->deposited_mev, "outside_grid_mev", b->outside_mev,
	                              "escaped_mev", b->escaped_mev, "lost_mev", b->lost_mev, "roulette_mev",
	                              b->balance_mev, "imbalance", b->imbalance));
	json_object_set_new(
	        p, "notice",
	        json_string("Research software, not a medical device. Doses need independent verification."));
}

static sp_status write_array(sp_h5_out *f, const char *path, const float *data, const sp_grid *g, const char *unit,
                             sp_error *err)
{
	const uint64_t dims[3] = {g->n[2], g->n[1], g->n[0]};
	sp_status st;

	if ((st = sp_h5_write(f, path, SP_H5_F32, 3, dims, true, data, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, g->spacing_mm, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, g->origin_mm, err)) != SP_OK)
		return st;
	return sp_h5_set_text(f, path, "unit", unit, err);
}

static sp_status write_file(const char *path, const sp_mc_state *s, const float *dose, const float *sigma,
                            const char *provenance, sp_error *err)
{
	bool plan = is_configured(s, "source", "plan");
	const char *dose_path = plan ? "/dose/dose_gy" : "/dose/dose_gy_per_particle",
	           *sigma_path = plan ? "/dose/sigma_gy" : "/dose/sigma_gy_per_particle",
	           *unit = plan ? "Gy" : "Gy per source particle";
	sp_h5_out *f = NULL;
	sp_status st;

	if ((st = sp_h5_create(&f, path, err)) != SP_OK ||
	    (st = write_array(f, dose_path, dose, &s->scoring.grid, unit, err)) != SP_OK ||
	    (sigma && (st = write_array(f, sigma_path, sigma, &s->scoring.grid, unit, err)) != SP_OK) ||
	    (st = sp_h5_set_text(f, "/", "format", "spineplan-dose", err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, "/", "version", SP_H5_U32, 1, &(uint32_t){1}, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, "/", "program", "spineplan " SP_VERSION, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, "/", "engine",
	                         s->scoring.to_water ? "Monte Carlo, dose to water" : "Monte Carlo, dose to medium",
	                         err)) != SP_OK ||
	    (st = sp_h5_write_text(f, "/provenance", provenance, err)) != SP_OK ||
	    (st = sp_mc_state_write(f, s, true, err)) != SP_OK)
		goto cleanup;
	st = sp_h5_commit(&f, err);
cleanup:
	sp_h5_abandon(f);
	return st;
}

sp_status sp_mc_file_write(const char *path, const sp_mc_state *s, json_t *provenance, sp_error *err)
{
	size_t n = sp_grid_voxels(&s->scoring.grid);
	bool has_sigma = s->sums.batches >= SP_MC_LEAST_BATCHES;
	float *dose = sp_alloc_array(n, sizeof *dose), *sigma = has_sigma ? sp_alloc_array(n, sizeof *sigma) : NULL;
	sp_mc_quality q = {0};
	sp_mc_balance b;
	char *text = NULL;
	sp_status st = SP_OK;

	if (!dose || (has_sigma && !sigma)) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", n);
		goto cleanup;
	}
	sp_mc_dose(dose, sigma, &s->scoring, &s->sums);
	if (has_sigma && (st = sp_mc_judge(&q, &s->scoring, dose, sigma, err)) != SP_OK)
		goto cleanup;
	sp_mc_balance_of(&b, &s->sums, n);
	complete(provenance, s, has_sigma ? &q : NULL, &b);
	if (!(text = json_dumps(provenance, JSON_INDENT(2)))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the provenance");
		goto cleanup;
	}
	if ((st = write_file(path, s, dose, sigma, text, err)) != SP_OK)
		goto cleanup;
	if (has_sigma)
		sp_log_info("%s: %.4g histories, mean sigma %.2f %% over %zu voxels above half of %.4g Gy", path,
		            (double)s->sums.batches * s->scoring.batch_histories, 100.0 * q.mean_sigma, q.n_voxels,
		            q.max_gy);
	else
		sp_log_info("%s: %.4g histories in %llu batches; a sigma needs %d, so there is none", path,
		            (double)s->sums.batches * s->scoring.batch_histories, (unsigned long long)s->sums.batches,
		            SP_MC_LEAST_BATCHES);
	sp_log_info("energy: %.4f %% deposited, %.4f %% outside the dose grid, %.4f %% escaped; balance %+.1e",
	            100.0 * b.deposited_mev / b.emitted_mev, 100.0 * b.outside_mev / b.emitted_mev,
	            100.0 * b.escaped_mev / b.emitted_mev, b.imbalance);
cleanup:
	free(text);
	free(dose);
	free(sigma);
	return st;
}
