/* Water, slabs and the C-shape: exact in density and in volume. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mask.h"
#include "matter.h"
#include "phantom.h"

#define PI 3.14159265358979323846

static sp_matter *matter;

static int set_up(void **state)
{
	(void)state;
	return sp_matter_create(&matter, NULL, NULL) != SP_OK;
}

static int tear_down(void **state)
{
	(void)state;
	sp_matter_destroy(matter);
	return 0;
}

static sp_case *make(const char *name, const sp_phantom_options *o)
{
	sp_error err = {0};
	sp_case *c;

	if (sp_phantom_make(&c, name, o, &err) != SP_OK)
		fail_msg("%s: %s", name, err.text);
	return c;
}

static void assert_refused(const char *name, const sp_phantom_options *o, const char *words)
{
	sp_error err = {0};
	sp_case *c;

	assert_int_equal(sp_phantom_make(&c, name, o, &err), SP_BAD_INPUT);
	assert_null(c);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
}

static void add_layer(sp_phantom_options *o, const char *text)
{
	sp_error err = {0};

	o->given |= SP_PHANTOM_LAYER;
	if (sp_phantom_parse_layer(&o->parts[o->n_parts++], text, &err) != SP_OK)
		fail_msg("%s", err.text);
}

static void add_box(sp_phantom_options *o, const char *text)
{
	sp_error err = {0};

	o->given |= SP_PHANTOM_BOX;
	if (sp_phantom_parse_box(&o->parts[o->n_parts++], text, &err) != SP_OK)
		fail_msg("%s", err.text);
}

/* Electrons per volume of a material relative to water, from its own composition. */
static double electrons(const char *material, double density)
{
	return density * sp_matter_z_over_a(matter, sp_matter_find(matter, material)) /
	       sp_matter_z_over_a(matter, sp_matter_find(matter, "water"));
}

static float *red_of(const sp_case *c)
{
	float *red = malloc(sp_grid_voxels(&c->ct) * sizeof *red);
	sp_error err = {0};

	assert_non_null(red);
	if (sp_matter_electron_density(red, matter, c, &err) != SP_OK)
		fail_msg("%s", err.text);
	return red;
}

/* The slabs of the published benchmarks: materials and where each ends (mm). 1e-5: float rounding of a number to 4. */
static void slabs_have_the_exact_density_at_every_depth(void **state)
{
	static const struct {
		const char *layers[3], *material[3];
		double density[3], end_mm[3];
		size_t n;
	} slabs[] = {
	        {{"water:300"}, {"water"}, {1.0}, {300}, 1},
	        {{"water:50", "lung:100", "water:150"},
	         {"water", "lung_inflated_icru", "water"},
	         {1.0, 0.26, 1.0},
	         {50, 150, 300},
	         3},
	        {{"water:50", "bone:30", "water:220"},
	         {"water", "bone_cortical_icrp", "water"},
	         {1.0, 1.85, 1.0},
	         {50, 80, 300},
	         3},
	        {{"water:50", "titanium:10", "water:240"},
	         {"water", "titanium", "water"},
	         {1.0, 4.54, 1.0},
	         {50, 60, 300},
	         3},
	        {{"water:20", "bone:20", "water:160"},
	         {"water", "bone_cortical_icrp", "water"},
	         {1.0, 1.85, 1.0},
	         {20, 40, 200},
	         3},
	        {{"soft_tissue:200"}, {"soft_tissue_icru4"}, {1.0}, {200}, 1},
	};

	(void)state;
	for (size_t s = 0; s < sizeof slabs / sizeof *slabs; s++) {
		sp_phantom_options o = {
		        .given = SP_PHANTOM_SIZE | SP_PHANTOM_VOXEL, .size_mm = {40, 30, 0}, .voxel_mm = {5, 10, 2}};
		sp_case *c;
		float *red;
		size_t layer = 0;

		for (size_t i = 0; i < slabs[s].n; i++)
			add_layer(&o, slabs[s].layers[i]);
		c = make("slabs", &o);
		assert_float_equal(sp_grid_low_edge_mm(&c->ct, 2), 0.0, 1e-9);
		assert_float_equal(sp_grid_high_edge_mm(&c->ct, 2), slabs[s].end_mm[slabs[s].n - 1], 1e-9);
		assert_float_equal(sp_grid_low_edge_mm(&c->ct, 0), -20.0, 1e-9);
		assert_float_equal(sp_grid_high_edge_mm(&c->ct, 1), 15.0, 1e-9);
		red = red_of(c);
		for (size_t v = 0; v < sp_grid_voxels(&c->ct); v++) {
			double p[3];

			sp_grid_centre(p, &c->ct, v);
			layer = 0;
			while (p[2] > slabs[s].end_mm[layer])
				layer++;
			assert_float_equal(red[v], electrons(slabs[s].material[layer], slabs[s].density[layer]), 1e-5);
		}
		free(red);
		sp_case_destroy(c);
	}
}

static void a_layer_takes_the_density_it_is_given(void **state)
{
	sp_phantom_options o = {.given = SP_PHANTOM_SIZE, .size_mm = {20, 20, 0}};
	sp_case *c;
	float *red;

	(void)state;
	add_layer(&o, "lung:20:0.30");
	c = make("slabs", &o);
	red = red_of(c);
	assert_float_equal(red[0], electrons("lung_inflated_icru", 0.30), 1e-5);
	free(red);
	sp_case_destroy(c);
}

static void boxes_replace_the_layers_where_they_are(void **state)
{
	sp_phantom_options o = {
	        .given = SP_PHANTOM_SIZE | SP_PHANTOM_VOXEL, .size_mm = {60, 40, 0}, .voxel_mm = {5, 5, 2}};
	sp_case *c;
	float *red;

	(void)state;
	add_layer(&o, "water:40");
	add_box(&o, "bone:-20,10,-15,5,6,20");
	add_box(&o, "titanium:-5,5,-5,10,10,30"); /* later boxes win where they overlap */
	c = make("slabs", &o);
	red = red_of(c);
	for (size_t v = 0; v < sp_grid_voxels(&c->ct); v++) {
		double p[3], expected = 1.0;

		sp_grid_centre(p, &c->ct, v);
		if (p[0] > -20 && p[0] < 10 && p[1] > -15 && p[1] < 5 && p[2] > 6 && p[2] < 20)
			expected = electrons("bone_cortical_icrp", 1.85);
		if (fabs(p[0]) < 5 && p[1] > -5 && p[1] < 10 && p[2] > 10 && p[2] < 30)
			expected = electrons("titanium", 4.54);
		assert_float_equal(red[v], expected, 1e-5);
	}
	free(red);
	sp_case_destroy(c);
}

static void slabs_that_cannot_be_exact_are_refused(void **state)
{
	sp_phantom_options inside = {0}, unknown = {0}, outside = {0}, none = {0}, askew = {0};

	(void)state;
	add_layer(&inside, "water:51");
	assert_refused("slabs", &inside, "whole number");
	add_layer(&unknown, "cheese:50");
	assert_refused("slabs", &unknown, "'cheese'");
	add_layer(&outside, "water:50");
	add_box(&outside, "bone:-10,10,-10,10,40,60");
	assert_refused("slabs", &outside, "along z");
	add_layer(&askew, "water:50");
	add_box(&askew, "bone:-11,10,-10,10,40,50");
	assert_refused("slabs", &askew, "along x");
	assert_refused("slabs", &none, "--layer");
}

static void misshapen_layers_are_refused(void **state)
{
	static const char *const layers[] = {"water",     ":10",        "water:",     "water:-3",
	                                     "water:nan", "water:10:0", "water:10:1x"};
	static const char *const boxes[] = {"bone:1,2,3,4,5", "bone:1,0,0,1,0,1", "bone:0,1,0,1,0,1,2", "bone"};
	sp_phantom_part part;
	sp_error err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
		assert_int_equal(sp_phantom_parse_layer(&part, layers[i], &err), SP_BAD_INPUT);
	for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
		assert_int_equal(sp_phantom_parse_box(&part, boxes[i], &err), SP_BAD_INPUT);
}

static double volume_cc(const sp_case *c, const char *name)
{
	const sp_structure *s = sp_case_find(c, name);
	double cc;

	if (!s)
		fail_msg("no structure %s", name);
	assert_int_equal(sp_structure_volume_cc(&cc, s, &c->ct, NULL), SP_OK);
	return cc;
}

/* 0.5 %: 200 degrees of a ring and a cylinder, contours sampled every 0.5 mm. */
static void the_c_shape_has_the_published_size(void **state)
{
	const sp_phantom_options o = {0};
	double ring = PI * (37.0 * 37.0 - 15.0 * 15.0) * 80.0 * 200.0 / 360.0 * 1e-3,
	       core = PI * 10.0 * 10.0 * 100.0 * 1e-3;
	double low[3], high[3];
	sp_case *c = make("tg119-c-shape", &o);

	(void)state;
	assert_float_equal(volume_cc(c, "PTV"), ring, 0.005 * ring);
	assert_float_equal(volume_cc(c, "Core"), core, 0.005 * core);
	assert_true(sp_structure_bounds(low, high, sp_case_find(c, "PTV"), &c->ct));
	assert_float_equal(low[1], -37.0, 0.05); /* round the front of the core, open to the back */
	assert_float_equal(high[1], 37.0 * sin(10.0 * PI / 180.0), 0.3);
	assert_float_equal(high[2] - low[2], 80.0, 1e-6);
	assert_float_equal(c->prescription.dose_gy, 50.0, 0.0);
	assert_int_equal(c->prescription.fractions, 25);
	assert_ptr_equal(sp_case_target(c), sp_case_find(c, "PTV"));
	sp_case_destroy(c);
}

static void the_water_block_is_water_of_one_gram(void **state)
{
	const sp_phantom_options o = {
	        .given = SP_PHANTOM_SIZE | SP_PHANTOM_VOXEL, .size_mm = {60, 40, 30}, .voxel_mm = {5, 4, 3}};
	sp_case *c = make("water", &o);
	float *red = red_of(c);
	double sum = 0.0;

	(void)state;
	for (size_t v = 0; v < sp_grid_voxels(&c->ct); v++)
		sum += red[v];
	/* air round it is outside the body: nothing */
	assert_float_equal(sum * sp_grid_voxel_volume_cc(&c->ct), 6.0 * 4.0 * 3.0, 1e-3);
	assert_float_equal(red[sp_grid_index(&c->ct, c->ct.n[0] / 2, c->ct.n[1] / 2, c->ct.n[2] / 2)], 1.0, 1e-6);
	free(red);
	sp_case_destroy(c);
}

static void options_that_a_phantom_does_not_know_are_refused(void **state)
{
	const sp_phantom_options cage = {.given = SP_PHANTOM_CAGE}, size = {.given = SP_PHANTOM_SIZE};
	const sp_phantom_options tiny = {.given = SP_PHANTOM_VOXEL, .voxel_mm = {0.01, 1, 1}};
	const sp_phantom_options odd = {.given = SP_PHANTOM_SIZE, .size_mm = {301, 300, 300}};
	const sp_phantom_options huge = {.given = SP_PHANTOM_SIZE, .size_mm = {1e5, 1e5, 1e5}};

	(void)state;
	assert_refused("water", &cage, "--cage");
	assert_refused("tg119-c-shape", &size, "--size-mm");
	assert_refused("water", &tiny, "voxel size is 0.01 mm along x");
	assert_refused("water", &odd, "whole number");
	assert_refused("water", &huge, "at most");
	assert_refused("pumpkin", &size, "'pumpkin'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(slabs_have_the_exact_density_at_every_depth),
	        cmocka_unit_test(a_layer_takes_the_density_it_is_given),
	        cmocka_unit_test(boxes_replace_the_layers_where_they_are),
	        cmocka_unit_test(slabs_that_cannot_be_exact_are_refused),
	        cmocka_unit_test(misshapen_layers_are_refused),
	        cmocka_unit_test(the_c_shape_has_the_published_size),
	        cmocka_unit_test(the_water_block_is_water_of_one_gram),
	        cmocka_unit_test(options_that_a_phantom_does_not_know_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
