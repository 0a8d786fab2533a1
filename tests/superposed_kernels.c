/* Kernels superposed from those of single energies against tables that were made for one spectrum at a time. */
#include "pencil_internal.h"
#include "machine_spectrum.h"
#include "superpose.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static const char *const machines[] = {"generic-6mv", "generic-6fff", "generic-10mv", "generic-10fff"};

static double total_at(const sp_pencil_table *t, double depth_mm)
{
	size_t row = (size_t)lround(depth_mm / (double)SP_PENCIL_TABLE_STEP_MM);
	double sum = 0.0;

	for (size_t i = 0; i < t->n_gaussians; i++)
		sum += (double)t->weight[row * t->n_gaussians + i];
	return sum;
}

/* Dose at the centre of a round field of parallel photons. */
static double field_at(const sp_pencil_table *t, double depth_mm, double radius_mm)
{
	size_t row = (size_t)lround(depth_mm / (double)SP_PENCIL_TABLE_STEP_MM);
	double sum = 0.0;

	for (size_t i = 0; i < t->n_gaussians; i++)
		sum -= (double)t->weight[row * t->n_gaussians + i] *
		       expm1(-0.5 * radius_mm * radius_mm / (t->sigma_mm[i] * t->sigma_mm[i]));
	return sum;
}

/* The same of two tables. both: each is known to 0.4 % of the total (their headers), so that 4 sigma of the difference
 * are 2.3 %; over 60 depths the mean is known ten times better than one of them, though neighbours share histories. */
static void compare(const sp_pencil_table *a, const sp_pencil_table *b, double radius_mm, double *mean, double *worst)
{
	int n = 0;

	*mean = *worst = 0.0;
	for (double d = 10.0; d <= 300.0; d += 5.0, n++) {
		double off = field_at(a, d, radius_mm) / field_at(b, d, radius_mm) - 1.0;

		*mean += off;
		*worst = fmax(*worst, fabs(off));
	}
	*mean /= n;
}

static void superposed_kernels_are_those_of_the_spectrum(void **state)
{
	static const double radius_mm[] = {5.0, 30.0, 100.0};
	sp_superposer *s = *state;

	for (size_t k = 0; k < 4; k++) {
		sp_pencil_table own, superposed;
		sp_machine *m = NULL;

		assert_int_equal(sp_machine_read(&m, machines[k], NULL), SP_OK);
		assert_int_equal(sp_pencil_table_read(&own, m->kernel, NULL), SP_OK);
		assert_int_equal(sp_superpose_photons(&superposed, s, m, NULL), SP_OK);
		for (size_t r = 0; r < 3; r++) {
			double mean, worst;

			compare(&superposed, &own, radius_mm[r], &mean, &worst);
			if (fabs(mean) > 0.004 || worst > 0.023)
				fail_msg("%s, radius %g mm: mean %g, worst %g", machines[k], radius_mm[r], mean, worst);
		}
		sp_pencil_table_finish(&own);
		sp_pencil_table_finish(&superposed);
		sp_machine_destroy(m);
	}
}

/* All that an electron brings stays in the water, but for what it radiates (1 % at 5 MeV, NIST's ESTAR) and what comes
 * back out of the surface; the table's steps of 1 mm and the spectrum's of 0.1 MeV leave about as much. */
static void electrons_leave_their_energy_in_the_water(void **state)
{
	static const double mev_in_joule = 1.602176634e-13;
	sp_superposer *s = *state;

	for (size_t k = 0; k < 4; k++) {
		sp_pencil_table t, own;
		sp_spectrum spectrum;
		sp_machine *m = NULL;
		double left = 0.0, mean;
		char name[64];

		assert_int_equal(sp_machine_read(&m, machines[k], NULL), SP_OK);
		assert_int_equal(sp_superpose_electrons(&t, s, m, NULL), SP_OK);
		assert_int_equal(sp_machine_electron_spectrum(&spectrum, &m->source, NULL), SP_OK);
		for (double d = 0.0; d < 200.0; d += 1.0) /* trapezoids; 1 mm is 1e-4 kg below a cm2 */
			left += 1e-4 * 0.5 * (total_at(&t, d) + total_at(&t, d + 1.0)) / mev_in_joule;
		mean = sp_spectrum_mean_energy(&spectrum);
		if (fabs(left / mean - 1.0) > 0.025)
			fail_msg("%s: %g MeV of %g stay", machines[k], left, mean);
		/* The shipped tables have electrons of more energy than hit the target, 7 % more energy in all. */
		snprintf(name, sizeof name, "%s-electrons", m->kernel);
		assert_int_equal(sp_pencil_table_read(&own, name, NULL), SP_OK);
		for (double d = 1.0; d <= 50.0; d += 1.0)
			if (fabs(total_at(&t, d) - total_at(&own, d)) > 0.07 * total_at(&own, 0.0))
				fail_msg("%s, %g mm: %g, the table says %g", name, d, total_at(&t, d),
				         total_at(&own, d));
		sp_pencil_table_finish(&own);
		sp_pencil_table_finish(&t);
		sp_spectrum_finish(&spectrum);
		sp_machine_destroy(m);
	}
}

/* Also between the energies of the table. */
static void a_harder_spectrum_goes_deeper(void **state)
{
	sp_superposer *s = *state;
	sp_machine *m = NULL;
	double before = 0.0;

	assert_int_equal(sp_machine_read(&m, "generic-6mv", NULL), SP_OK);
	for (double mev = 5.0; mev < 28.0; mev += 1.0) {
		sp_pencil_table t;
		double ratio;

		m->source.spectrum.electron_mev = mev;
		assert_int_equal(sp_superpose_photons(&t, s, m, NULL), SP_OK);
		ratio = total_at(&t, 250.0) / total_at(&t, 60.0);
		assert_true(ratio > before);
		before = ratio;
		sp_pencil_table_finish(&t);
	}
	sp_machine_destroy(m);
}

int main(void)
{
	sp_matter *matter = NULL;
	sp_superposer *s = NULL;
	int failed;

	if (sp_matter_create(&matter, NULL, NULL) != SP_OK || sp_superposer_create(&s, matter, NULL) != SP_OK)
		return 1;
	{
		const struct CMUnitTest tests[] = {
		        cmocka_unit_test_prestate(superposed_kernels_are_those_of_the_spectrum, s),
		        cmocka_unit_test_prestate(electrons_leave_their_energy_in_the_water, s),
		        cmocka_unit_test_prestate(a_harder_spectrum_goes_deeper, s),
		};

		failed = cmocka_run_group_tests(tests, NULL, NULL);
	}
	sp_superposer_destroy(s);
	sp_matter_destroy(matter);
	return failed;
}
