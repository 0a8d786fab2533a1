/* Monitor units alone as variables: the summed columns give the dose that the bixels do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "deliver_fixture.h"
#include "influence_fixture.h"
#include "mu_map.h"

static void monitor_units_alone_give_the_dose_of_their_apertures(void **state)
{
	sp_device *d = NULL;
	rig r;
	sp_influence *whole;
	sp_mu_map *m;
	sp_field *second;
	double *weights, mu[4], x[4] = {4.0, 9.0, 0.0, 50.0}, gradient[4] = {0};
	float *by_bixels, *by_mu, floats[96], mu_floats[4], largest = 0.0f;
	csr rows;
	sp_error err = {0};

	(void)state;
	if (sp_device_open(&d, NULL, &err) != SP_OK)
		fail_msg("%s", err.text);
	make_fields(&r, 2, true, true);
	set_ragged(&r);
	second = &r.fields->fields[1];
	second->intervals[0].least_mu = 2.0;
	second->intervals[1].most_mu = 20.0;
	for (size_t s = 0; s < second->n_states; s++)
		for (size_t k = 0; k < second->n_pairs; k++)
			sp_aperture_set_leaves(r.map, r.map->x, 1, s, k, -3.1 - 1.1 * (double)s, 2.3 + 0.9 * (double)k);
	r.map->output = 0.93;
	r.map->mu_price = 0.25;
	weights = calloc(r.bixels->n_bixels, sizeof *weights);
	assert_int_equal(r.bixels->n_bixels, 96);
	rows = random_csr(60, 96, 5);
	whole = matrix_of(d, &rows, SP_PRODUCT_ROWS, false, false);
	assert_int_equal(sp_mu_map_create(&m, r.map, whole, &err), SP_OK);
	assert_int_equal(m->map.n, 4);
	assert_true(m->map.start[0] == 2.0 && m->map.start[1] == 4.0); /* 3 and 5 MU, 1 at least */

	/* other monitor units than those at hand, the last held at its most */
	m->map.weights(m, mu, x);
	assert_true(mu[0] == 5.0 && mu[1] == 10.0 && mu[2] == 2.0 && mu[3] == 20.0);
	for (int k = 0; k < 4; k++)
		mu_floats[k] = (float)mu[k];
	by_mu = multiply(m->matrix, mu_floats);
	m->map.settle(m, x);
	assert_true(x[0] == 4.0 && x[1] == 9.0 && x[2] == 0.0 && x[3] == 19.0);
	m->map.shown(m, x);
	r.map->map.weights(r.map, weights, r.map->x);
	for (int k = 0; k < 96; k++)
		floats[k] = (float)weights[k];
	by_bixels = multiply(whole, floats);
	for (size_t k = 0; k < rows.n_rows; k++) { /* in a sum of rounded entries */
		assert_true(fabsf(by_mu[k] - by_bixels[k]) <= 1e-4f * by_bixels[k]);
		largest = fmaxf(largest, by_bixels[k]);
	}
	assert_true(largest > 0.0f);

	/* the last cannot grow, but fall */
	m->map.pull_back(m, gradient, x, (double[]){-3.0, -2.0, -1.0, -3.0}, false);
	assert_true(gradient[0] == -3.0 && gradient[1] == -2.0 && gradient[2] == -1.0 && gradient[3] == 0.0);
	m->map.pull_back(m, gradient, x, (double[]){3.0, 3.0, 3.0, 3.0}, false);
	assert_true(gradient[0] == 3.0 && gradient[3] == 3.0);
	m->map.push_absolute(m, mu, x, (double[]){0.5, 1.5, 2.5, 3.5});
	assert_true(mu[0] == 0.5 && mu[1] == 1.5 && mu[2] == 2.5 && mu[3] == 3.5);
	memset(gradient, 0, sizeof gradient);
	assert_true(m->map.cost(m, x, gradient, NULL) == 0.25 * 32.0);
	assert_true(gradient[0] == 0.25 && gradient[3] == 0.25);

	sp_mu_map_destroy(m);
	sp_influence_destroy(whole);
	free(weights);
	free(by_bixels);
	free(by_mu);
	csr_finish(&rows);
	finish_rig(&r);
	sp_device_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(monitor_units_alone_give_the_dose_of_their_apertures),
	};

	return cmocka_run_group_tests_name("monitor units", tests, NULL, NULL);
}
