#include "pencil_fixture.h"

#include "alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int rig_set_up(void **state)
{
	rig *r = sp_alloc_array(1, sizeof *r);
	sp_error err = {0};

	if (sp_device_open(&r->device, NULL, &err) != SP_OK ||
	    sp_machine_read(&r->machine, "generic-6mv", &err) != SP_OK) {
		print_error("%s\n", err.text);
		return -1;
	}
	r->ct = (sp_grid){{28, 20, 15}, {3.0, 2.0, 5.0}, {-38.5, -89.0, 22.5}};
	*state = r;
	return 0;
}

int rig_tear_down(void **state)
{
	rig *r = *state;

	sp_machine_destroy(r->machine);
	sp_device_close(r->device);
	free(r);
	return 0;
}

sp_pencil *rig_pencil(const rig *r, float density)
{
	float *red = sp_alloc_array(sp_grid_voxels(&r->ct), sizeof *red);
	sp_pencil *p = NULL;

	for (size_t v = 0; v < sp_grid_voxels(&r->ct); v++)
		red[v] = density;
	assert_int_equal(sp_pencil_create(&p, r->device, r->machine, &r->ct, red, NULL), SP_OK);
	free(red);
	return p;
}

sp_beam_setup rig_setup(double gantry_deg, double collimator_deg, double couch_deg)
{
	return (sp_beam_setup){gantry_deg, collimator_deg, couch_deg, {2.0, -70.0, 60.0}};
}

sp_beam_set *rig_beams(const sp_beam_setup *setups, size_t n)
{
	/* asymmetric about the isocentre, one corner missing */
	sp_grid g = {{9, 4, 7}, {4.0, 4.0, 4.0}, {-10.0, -76.0, 50.0}};
	float target[9 * 4 * 7];
	sp_beam_set *set = NULL;

	for (size_t v = 0; v < sp_grid_voxels(&g); v++)
		target[v] = v % 9 < 4 && v / 36 > 3 ? 0.0f : 1.0f;
	assert_int_equal(sp_beam_set_cover(&set, setups, n, 1000.0, "HFS", 5.0, target, &g, 2.0, NULL), SP_OK);
	return set;
}

float *rig_multiply(const rig *r, sp_influence *m, const double *weights)
{
	size_t columns = sp_influence_columns(m), rows = sp_influence_rows(m);
	float *w = sp_alloc_array(columns, sizeof *w), *dose = sp_alloc_array(rows, sizeof *dose);
	cl_mem in = NULL, out = NULL;

	for (size_t i = 0; i < columns; i++)
		w[i] = (float)weights[i];
	assert_int_equal(sp_buffer_create(&in, r->device, CL_MEM_READ_ONLY, columns * sizeof *w, w, "w", NULL), SP_OK);
	assert_int_equal(sp_buffer_create(&out, r->device, CL_MEM_READ_WRITE, rows * sizeof *dose, NULL, "d", NULL),
	                 SP_OK);
	assert_int_equal(sp_influence_multiply(m, out, in, NULL), SP_OK);
	assert_int_equal(sp_buffer_read(r->device, out, 0, rows * sizeof *dose, dose, NULL), SP_OK);
	sp_buffer_release(&in);
	sp_buffer_release(&out);
	free(w);
	return dose;
}

bool rig_small(void)
{
	const char *small = getenv("SPINEPLAN_SMALL_TESTS");

	return small && strcmp(small, "1") == 0;
}
