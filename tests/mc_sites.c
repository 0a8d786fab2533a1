/* Where photons interact: sites on a ray through slabs of different matter (cl_kernels/mc_photon.h), and the voxels and
 * bricks that their flights and the electrons' steps rely on (engine/montecarlo/mc_geometry.c). */
#include "mc_fixture.h"

#include "cross_sections.h"
#include "mc_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { NX = 5, NY = 4, NZ = 40, VOXELS = NX * NY * NZ };

/* Slabs along z, from the low side: lengths in voxels of 5 mm. Bricks of 15 mm end within some of them. */
static const struct {
	int material, voxels;
	double density;
} slabs[] = {{MC_WATER, 7, 1.0},     {MC_LUNG, 8, 0.26},  {MC_BONE, 4, 1.85},
             {MC_TITANIUM, 3, 4.54}, {MC_AIR, 5, 0.0012}, {MC_WATER, 13, 1.0}};
enum { SLABS = sizeof slabs / sizeof *slabs };

typedef struct {
	sp_mc_setup setup;
	sp_mc_geometry geometry;
	sp_mc_matter where;
	float density[VOXELS];
	uint8_t material[VOXELS], place[256];
} phantom;

static void place_materials(phantom *p, const mc_rig *r)
{
	for (int m = 0; m < MC_MATERIALS; m++)
		p->place[sp_matter_find(r->matter, mc_material_names[m])] = (uint8_t)m;
}

static phantom *slab_phantom(const mc_rig *r)
{
	phantom *p = calloc(1, sizeof *p);
	size_t k = 0;

	assert_non_null(p);
	p->where = (sp_mc_matter){{{NX, NY, NZ}, {20.0, 25.0, 5.0}, {-40.0, 12.5, 2.5}}, p->density, p->material};
	place_materials(p, r);
	for (int s = 0; s < SLABS; s++)
		for (int i = 0; i < slabs[s].voxels; i++, k++)
			for (size_t v = 0; v < NX * NY; v++) {
				p->density[k * NX * NY + v] = (float)slabs[s].density;
				p->material[k * NX * NY + v] =
				        (uint8_t)sp_matter_find(r->matter, mc_material_names[slabs[s].material]);
			}
	assert_int_equal(k, NZ);
	p->setup.n_materials = (sp_u32)r->tables.n_materials;
	assert_int_equal(sp_mc_geometry_make(&p->geometry, &p->setup, &p->where, p->place, r->tables.class_of, NULL),
	                 SP_OK);
	return p;
}

static void destroy(phantom *p)
{
	sp_mc_geometry_finish(&p->geometry);
	free(p);
}

/* Optical depth from z = 0 to depths at the slabs' ends, per cm along z. */
static double optical_depth(double z_cm, const double mu[SLABS])
{
	double sum = 0.0, begin = 0.0;

	for (int s = 0; s < SLABS; s++) {
		double end = begin + 0.5 * slabs[s].voxels;

		sum += fmax(0.0, fmin(z_cm, end) - begin) * mu[s];
		begin = end;
	}
	return sum;
}

/* n photons, each with its sites. */
static float *place_all(mc_rig *r, phantom *p, size_t n, cl_uint seed, double energy, cl_uint n_sites,
                        const float from[4], const float along[4])
{
	const size_t photon = (SP_MC_ROWS + 1) * r->tables.n_materials * sizeof(float);
	cl_float e = (cl_float)energy;
	cl_mem setup = mc_buffer(r, sizeof p->setup, &p->setup),
	       voxels = mc_buffer(r, p->geometry.n_voxels * sizeof(sp_u32), p->geometry.voxels),
	       bricks = mc_buffer(r, p->geometry.n_bricks * sizeof(sp_mc_brick), p->geometry.bricks),
	       attenuation = mc_buffer(r, photon, r->tables.attenuation),
	       class_of = mc_buffer(r, r->tables.n_materials * sizeof(sp_u32), r->tables.class_of),
	       start = mc_buffer(r, 4 * sizeof(float), from), direction = mc_buffer(r, 4 * sizeof(float), along);
	const sp_argument a[] = {SP_ARG(seed),     SP_ARG(setup), SP_ARG(voxels),  SP_ARG(bricks), SP_ARG(attenuation),
	                         SP_ARG(class_of), SP_ARG(e),     SP_ARG(n_sites), SP_ARG(start),  SP_ARG(direction)};
	float *s = mc_run(r, "site_samples", n, (5 * n_sites + 2) * n, a, 10);

	mc_free_buffers(r);
	return s;
}

/* One ray through all slabs: where sites lie, how many there are, what is noted of them. */
static void check_ray(mc_rig *r, phantom *p, cl_uint seed, double energy, cl_uint n_sites, const float from[4],
                      const float along[4])
{
	size_t n = n_sites > 1 && !r->small ? r->samples / 5 : r->samples, m = n * n_sites, n_chosen = 0, n_all = 0;
	float *s = place_all(r, p, n, seed, energy, n_sites, from, along);
	double mu[SLABS], total, w = fabs((double)along[2]), whole = 0.5 * NZ, *share = malloc(m * sizeof *share);
	bool down = along[2] < 0.0f;

	for (int i = 0; i < SLABS; i++) {
		sp_attenuation a;

		assert_int_equal(sp_matter_attenuation(&a, r->matter,
		                                       sp_matter_find(r->matter, mc_material_names[slabs[i].material]),
		                                       &energy, 1, NULL),
		                 SP_OK);
		/* densities are whole multiples of 1/4096 g/cm3 */
		mu[i] = round(slabs[i].density * (double)SP_MC_DENSITY_UNIT) / (double)SP_MC_DENSITY_UNIT *
		        (a.coherent + a.incoherent + a.photoelectric + a.pair_nuclear + a.pair_triplet) / w;
	}
	total = optical_depth(whole, mu);
	for (int chosen_only = 0; chosen_only < 2; chosen_only++) {
		size_t count = 0;
		double expected;

		for (size_t i = 0; i < m; i++) {
			double z = (double)s[2 * m + i], t = (z - (double)from[2]) / (double)along[2], depth;
			int slab = 0;

			if (s[3 * m + i] == 0.0f || (chosen_only && (size_t)s[5 * m + i % n] != i / n))
				continue;
			assert_near((double)s[3 * m + i], 1.0 / n_sites, 1e-7);
			/* on the ray */
			assert_near((double)s[i], (double)(from[0] + (float)t * along[0]), 1e-4);
			assert_near((double)s[m + i], (double)(from[1] + (float)t * along[1]), 1e-4);
			/* the material of the voxel; floats round sites across its face */
			for (double end = 0.5 * slabs[0].voxels; slab + 1 < SLABS && z > end;
			     end += 0.5 * slabs[++slab].voxels)
				;
			if (fabs(z * 2.0 - round(z * 2.0)) > 1e-4)
				assert_int_equal((int)s[4 * m + i], slabs[slab].material);
			depth = down ? total - optical_depth(z, mu) : optical_depth(z, mu);
			share[count++] = -expm1(-depth) / -expm1(-total);
		}
		/* exponential in optical depth, up to the far side. Sites of one photon are a comb that one number
		 * shifts: their distance is smaller than that of independent ones, but their bins go up and down
		 * together */
		if (chosen_only)
			assert_uniform(share, count, "chosen site", energy);
		else
			assert_uniform_within(share, count, 0.0, "site", energy);
		/* of several sites one is chosen as long as there is any */
		expected = chosen_only && n_sites > 1 ? (double)n : (double)(chosen_only ? n : m) * -expm1(-total);
		/* 5 sigma */
		assert_near((double)count, expected, 5.0 * sqrt(expected * exp(-total)));
		if (chosen_only)
			n_chosen = count;
		else
			n_all = count;
	}
	/* who is said to carry on has a site, and who has none is not */
	for (size_t i = 0; i < n; i++)
		if (s[5 * m + i] >= 0.0f)
			n_chosen--;
	assert_int_equal(n_chosen, 0);
	assert_true(n_all > 0);
	free(share);
	free(s);
}

static void interactions_are_exponential_slab_by_slab(void **state)
{
	static const float down[4] = {0.0f, 0.0f, 1.0f}, oblique[4] = {0.30f, -0.20f, 0.932737905f},
	                   back[4] = {-0.30f, 0.20f, -0.932737905f};
	static const float above[4] = {4.3f, 5.1f, 0.0f}, corner[4] = {1.1f, 8.7f, 0.0f},
	                   below[4] = {8.9f, 1.3f, 19.9999f};
	mc_rig *r = *state;
	phantom *p = slab_phantom(r);

	check_ray(r, p, 121, 0.08, 1, above, down);
	check_ray(r, p, 122, 2.0, 1, corner, oblique);
	check_ray(r, p, 123, 1.0, 1, below, back);
	check_ray(r, p, 124, 0.3, 16, corner, oblique);
	check_ray(r, p, 125, 6.0, 48, above, down);
	destroy(p);
}

/* In one material of one density every try is a hit; the sites are still exponential, and known to be alike. */
static void interactions_in_one_material_are_exponential(void **state)
{
	static const float along[4] = {0.36f, 0.48f, 0.8f}, from[4] = {0.4f, 0.2f, 0.0f};
	mc_rig *r = *state;
	phantom *p = calloc(1, sizeof *p);
	size_t n = r->small ? r->samples : r->samples / 5, m = 16 * n, count = 0;
	double energy = 0.5, length = 19.6 / 0.8, mu, *share = malloc(m * sizeof *share);
	sp_attenuation a;
	float *s;

	assert_non_null(p);
	p->where = (sp_mc_matter){{{NX, NY, NZ}, {50.0, 60.0, 4.9}, {0.0, 0.0, 0.0}}, p->density, p->material};
	place_materials(p, r);
	for (size_t v = 0; v < VOXELS; v++) {
		p->density[v] = 0.75f;
		p->material[v] = (uint8_t)sp_matter_find(r->matter, "bone");
	}
	p->setup.n_materials = (sp_u32)r->tables.n_materials;
	assert_int_equal(sp_mc_geometry_make(&p->geometry, &p->setup, &p->where, p->place, r->tables.class_of, NULL),
	                 SP_OK);
	s = place_all(r, p, n, 131, energy, 16, from, along);
	assert_int_equal(sp_matter_attenuation(&a, r->matter, sp_matter_find(r->matter, "bone"), &energy, 1, NULL),
	                 SP_OK);
	mu = 0.75 * (a.coherent + a.incoherent + a.photoelectric);
	for (size_t i = 0; i < m; i++)
		if (s[3 * m + i] > 0.0f)
			share[count++] = -expm1(-mu * (double)s[2 * m + i] / 0.8) / -expm1(-mu * length);
	assert_uniform_within(share, count, 0.0, "site in bone", energy);
	for (size_t i = 0; i < n; i++)
		assert_true(s[5 * m + n + i] == 1.0f);
	free(share);
	free(s);
	destroy(p);
}

/* Voxel v, counted x fastest. */
static sp_u32 word_of(const phantom *p, size_t v)
{
	sp_u32 nx = p->setup.n[0], ny = p->setup.n[1], row = (sp_u32)(v / nx);

	return p->geometry.voxels[SP_MC_CELL((sp_u32)(v % nx), row % ny, row / ny, nx, ny)];
}

/* What an electron's step relies on: within a voxel's clearance nothing is much denser or thinner, within its
 * uniformity all is alike and inside the grid, a brick's near_density bounds all voxels of it and its neighbours, its
 * density and class all of its own. Looked at voxel by voxel in a phantom with a rod, a hole and a gradient. */
static void clearances_and_bricks_bound_what_is_near(void **state)
{
	const mc_rig *r = *state;
	phantom *p = calloc(1, sizeof *p);
	const size_t nx = 10, ny = 8, nz = 10;
	size_t free_voxels = 0;

	assert_non_null(p);
	assert_true(nx * ny * nz <= VOXELS);
	p->where = (sp_mc_matter){{{nx, ny, nz}, {4.0, 6.0, 3.0}, {0.0, 0.0, 0.0}}, p->density, p->material};
	place_materials(p, r);
	for (size_t k = 0; k < nz; k++)
		for (size_t j = 0; j < ny; j++)
			for (size_t i = 0; i < nx; i++) {
				size_t v = (k * ny + j) * nx + i;
				int m = i == 7 && j == 2 ? MC_TITANIUM
				        : k > 7          ? MC_BONE
				        : i < 2 && k < 3 ? MC_AIR
				                         : MC_WATER;

				p->material[v] = (uint8_t)sp_matter_find(r->matter, mc_material_names[m]);
				p->density[v] = m == MC_TITANIUM ? 4.54f
				                : m == MC_BONE   ? 1.2f + 0.08f * (float)i
				                : m == MC_AIR    ? 0.0012f
				                                 : 0.9f + 0.02f * (float)k;
			}
	assert_int_equal(sp_mc_geometry_make(&p->geometry, &p->setup, &p->where, p->place, r->tables.class_of, NULL),
	                 SP_OK);
	assert_near((double)p->setup.clearance_cm, 0.3, 1e-6);
	for (size_t v = 0; v < nx * ny * nz; v++) {
		sp_u32 word = word_of(p, v);
		size_t x[3] = {v % nx, v / nx % ny, v / nx / ny}, cell[3];
		size_t clearance = word >> 16 & 0xfu, uniform = word >> 20 & 0xfu;
		const sp_u32 matter = 0xff00ffffu;
		const sp_mc_brick *brick;

		assert_int_equal(word >> 24, p->place[p->material[v]]);
		assert_near((double)(word & 0xffffu) / (double)SP_MC_DENSITY_UNIT, (double)p->density[v],
		            0.5 / 4096 + 1e-6);
		free_voxels += clearance > 0;
		for (size_t a = 0; a < 3; a++)
			cell[a] = (size_t)(((double)x[a] + 0.5) / (double)p->setup.voxels_per_cm[a] *
			                   (double)p->setup.bricks_per_cm[a]);
		brick = p->geometry.bricks + (cell[2] * p->setup.bricks_n[1] + cell[1]) * p->setup.bricks_n[0] +
		        cell[0];
		assert_true((word & 0xffffu) <= (brick->word & 0xffffu));
		if (brick->word & SP_MC_MIXED)
			assert_true(r->tables.class_of[word >> 24] <= brick->word >> 24);
		else
			assert_int_equal(brick->word, word & matter);
		for (size_t w = 0; w < nx * ny * nz; w++) {
			size_t y[3] = {w % nx, w / nx % ny, w / nx / ny}, far = 0;
			float density = (float)(word_of(p, w) & 0xffffu) / SP_MC_DENSITY_UNIT;

			for (size_t a = 0; a < 3; a++) {
				size_t d = y[a] > x[a] ? y[a] - x[a] : x[a] - y[a];

				far = d > far ? d : far;
			}
			if (far <= clearance) {
				float own = (float)(word & 0xffffu) / SP_MC_DENSITY_UNIT;

				assert_true(density <= SP_MC_DENSER * own + SP_MC_ALIKE);
				assert_true(own <= SP_MC_DENSER * density + SP_MC_ALIKE);
			}
			if ((double)far <= SP_MC_REACH((double)uniform, (double)p->setup.uniform_growth))
				assert_true((word_of(p, w) & matter) == (word & matter));
		}
	}
	assert_true(free_voxels > 50 && free_voxels < nx * ny * nz - 50);
	destroy(p);
}

/* A uniform brick's box holds it, no other matter, and nothing outside the grid; next to a plane it ends there. Bricks
 * of 7 voxels of 4 mm, 5 of 6 mm and 9 of 3 mm, cut off at the grid's high ends; a layer, a rod and a hole. */
static void boxes_hold_one_matter(void **state)
{
	enum { ALONG_X = 40, ALONG_Y = 18, ALONG_Z = 50, LAYER = 31 };
	const mc_rig *r = *state;
	const size_t n[3] = {ALONG_X, ALONG_Y, ALONG_Z};
	const double cm[3] = {0.4, 0.6, 0.3};
	phantom *p = calloc(1, sizeof *p);
	float *density = calloc(ALONG_X * ALONG_Y * ALONG_Z, sizeof *density);
	uint8_t *material = calloc(ALONG_X * ALONG_Y * ALONG_Z, 1);
	size_t uniform = 0, larger = 0, at_layer = 0;

	assert_true(p && density && material);
	p->where = (sp_mc_matter){{{ALONG_X, ALONG_Y, ALONG_Z}, {4.0, 6.0, 3.0}, {0.0, 0.0, 0.0}}, density, material};
	place_materials(p, r);
	for (size_t v = 0; v < ALONG_X * ALONG_Y * ALONG_Z; v++) {
		size_t i = v % ALONG_X, j = v / ALONG_X % ALONG_Y, k = v / (ALONG_X * ALONG_Y);
		bool rod = i == 33 && k == 12, hole = i == 9 && j == 2 && k == 44;
		int m = rod ? MC_TITANIUM : k >= LAYER ? MC_BONE : MC_WATER;

		material[v] = (uint8_t)sp_matter_find(r->matter, mc_material_names[m]);
		density[v] = rod ? 4.54f : hole ? 0.5f : m == MC_BONE ? 1.85f : 1.0f;
	}
	assert_int_equal(sp_mc_geometry_make(&p->geometry, &p->setup, &p->where, p->place, r->tables.class_of, NULL),
	                 SP_OK);
	assert_true(p->geometry.boxes_pay);
	for (size_t b = 0; b < p->geometry.n_bricks; b++) {
		const sp_mc_brick *brick = p->geometry.bricks + b;
		size_t at[3] = {b % p->setup.bricks_n[0], b / p->setup.bricks_n[0] % p->setup.bricks_n[1],
		                b / (p->setup.bricks_n[0] * p->setup.bricks_n[1])},
		       low[3], high[3], own = 1, all = 1;

		if (brick->word & SP_MC_MIXED)
			continue;
		for (int a = 0; a < 3; a++) {
			double first = round((double)at[a] * (double)p->setup.brick_cm[a] / cm[a]),
			       end = fmin(round((double)(at[a] + 1) * (double)p->setup.brick_cm[a] / cm[a]),
			                  (double)n[a]);

			low[a] = (size_t)lround((double)brick->low_cm[a] / cm[a]);
			high[a] = (size_t)lround((double)brick->high_cm[a] / cm[a]);
			assert_near((double)brick->low_cm[a], (double)low[a] * cm[a], 1e-5);
			assert_near((double)brick->high_cm[a], (double)high[a] * cm[a], 1e-5);
			assert_true((double)low[a] <= first && (double)high[a] >= end && high[a] <= n[a]);
			own *= (size_t)(end - first);
			all *= high[a] - low[a];
		}
		uniform++;
		larger += all > own;
		at_layer += high[2] == LAYER;
		for (size_t k = low[2]; k < high[2]; k++)
			for (size_t j = low[1]; j < high[1]; j++)
				for (size_t i = low[0]; i < high[0]; i++)
					assert_int_equal(word_of(p, (k * ALONG_Y + j) * ALONG_X + i) & 0xff00ffffu,
					                 brick->word);
	}
	assert_true(uniform > p->geometry.n_bricks / 3 && uniform < p->geometry.n_bricks);
	assert_int_equal(larger, uniform);
	assert_true(at_layer > 5);
	free(density);
	free(material);
	destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(interactions_are_exponential_slab_by_slab),
	        cmocka_unit_test(interactions_in_one_material_are_exponential),
	        cmocka_unit_test(clearances_and_bricks_bound_what_is_near),
	        cmocka_unit_test(boxes_hold_one_matter),
	};

	return cmocka_run_group_tests_name("mc sites", tests, mc_rig_set_up, mc_rig_tear_down);
}
