/* What the tests of the Monte Carlo's distributions share: kernels of tests/kernels/mc_samples.cl, and judgements of
 * samples. */
#ifndef MC_FIXTURE_H
#define MC_FIXTURE_H

#include "device.h"
#include "mc_tables.h"

enum { MC_LANES = 16 }; /* as the program builds its kernels */

typedef struct {
	sp_device *device;
	sp_matter *matter;
	sp_mc_tables tables; /* of mc_materials, electrons cut at 0.2 MeV, photons at 0.05 MeV, up to 20 MeV */
	bool small;          /* few samples, for a simulator */
	size_t samples;
	cl_mem buffer[16]; /* made by mc_buffer */
	int n_buffers;
} mc_rig;

enum { MC_WATER, MC_LUNG, MC_BONE, MC_TITANIUM, MC_AIR, MC_MATERIALS };
extern const char *const mc_material_names[MC_MATERIALS];

int mc_rig_set_up(void **state);
int mc_rig_tear_down(void **state);

/* A read-only buffer that lives until the next mc_free_buffers. */
cl_mem mc_buffer(mc_rig *r, size_t bytes, const void *data);
void mc_free_buffers(mc_rig *r);

/* What a kernel of mc_samples.cl writes: n_out words. Its arguments are the output, n, then those given. free() it. */
float *mc_run(mc_rig *r, const char *kernel, size_t n, size_t n_out, const sp_argument *arguments, size_t n_arguments);

void assert_near(double found, double expected, double tolerance);

/* Shares of a distribution (0..1) at samples: uniform by chi-square of 32 bins and by Kolmogorov and Smirnov. A right
 * sampler fails either by chance once in 1e6. */
void assert_uniform(const double *share, size_t n, const char *what, double parameter);

/* The same for what is sampled from a table: uniform but for a distance (largest difference of the cumulative
 * distributions) that the table's interpolation may cost. */
void assert_uniform_within(const double *share, size_t n, double distance, const char *what, double parameter);

/* Distribution functions by midpoints: density(s, parameter) over s from low to high, any scale. */
typedef struct {
	double low, high, cumulative[20001];
} mc_distribution;

void mc_distribution_make(mc_distribution *out, double (*density)(double, const double *), const double *parameters,
                          double low, double high);
double mc_distribution_share(const mc_distribution *d, double s);

#endif
