/* The largest CT: 512 x 512 x 400 voxels load in seconds and in less than twice their own size of memory, the reader
 * process included; and a body outline over 100 slices of 512 x 512 becomes partial volumes in about a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"
#include "clock.h"
#include "mask.h"

#define OK(call) assert_int_equal((call), SP_OK)

/* Twenty times what an idle machine takes (0.5 to 1.5 s), so that a busy one passes and a slip of order does not. */
#define READ_S 30.0
#define FRACTIONS_S 20.0

static void add_ellipse(sp_structure *s, double z, double rx, double ry, size_t n)
{
	double(*points)[3] = malloc(n * sizeof *points);

	for (size_t i = 0; i < n; i++) {
		double angle = 2.0 * 3.14159265358979323846 * (double)i / (double)n;

		points[i][0] = rx * cos(angle) + 0.3 * cos(40.0 * angle);
		points[i][1] = ry * sin(angle) + 0.3 * sin(37.0 * angle);
		points[i][2] = z;
	}
	OK(sp_structure_add_polygon(s, (const double(*)[3])points, n, NULL));
	free(points);
}

/* Voxels that do not compress to nothing, a body and a cord as contours, the lungs as a large mask. */
static void write_large(const char *path)
{
	const sp_grid grid = {{512, 512, 400}, {0.9, 0.9, 1.5}, {-230.0, -230.0, -300.0}};
	sp_error err = {0};
	sp_structure *s;
	sp_case *c;
	uint32_t noise = 1;

	OK(sp_case_create(&c, &grid, 0, NULL));
	for (size_t i = 0; i < sp_grid_voxels(&grid); i++) {
		noise = noise * 1664525u + 1013904223u;
		c->hu[i] = (int16_t)((i / 64 % 8 ? 40 : -1000) + (int)(noise >> 30));
	}
	OK(sp_case_add_structure(&s, c, "body", SP_ROLE_EXTERNAL, NULL));
	for (int k = 0; k < 400; k++)
		add_ellipse(s, -300.0 + 1.5 * k, 200.0, 140.0, 400);
	OK(sp_case_add_structure(&s, c, "cord", SP_ROLE_CORD, NULL));
	for (int k = 0; k < 400; k++)
		add_ellipse(s, -300.0 + 1.5 * k, 6.0, 5.0, 40);
	OK(sp_case_add_structure(&s, c, "lungs", SP_ROLE_ORGAN, NULL));
	s->has_mask = true;
	s->mask = (sp_mask_box){{100, 100, 100}, {300, 300, 200}, malloc(300 * 300 * 200)};
	memset(s->mask.in, 1, 300 * 300 * 200);
	if (sp_case_write(c, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_case_destroy(c);
}

/* Runs in a process of its own, so that its peak is its own. Exit status 0: all well. */
static int read_large(const char *path)
{
	double start = sp_clock_seconds(), seconds, megabytes, ct_megabytes;
	struct rusage ours, readers;
	sp_error err = {0};
	sp_case *c;

	if (sp_case_read(&c, path, &err) != SP_OK) {
		print_message("%s\n", err.text);
		return 1;
	}
	seconds = sp_clock_seconds() - start;
	ct_megabytes = 1e-6 * (double)(sp_grid_voxels(&c->ct) * sizeof *c->hu);
	getrusage(RUSAGE_SELF, &ours);
	getrusage(RUSAGE_CHILDREN, &readers);
	megabytes = 1e-3 * (double)(ours.ru_maxrss + readers.ru_maxrss);
	print_message("%.0f MB of CT read in %.1f s and %.0f MB\n", ct_megabytes, seconds, megabytes);
	sp_case_destroy(c);
#if defined(__SANITIZE_ADDRESS__)
	return 0; /* whose shadow memory would be measured */
#endif
	return seconds > READ_S ? 2 : megabytes > 2.0 * ct_megabytes ? 3 : 0;
}

static int in_child(const char *path, int read_it)
{
	pid_t child = fork();
	int how = 0;

	if (child == 0) {
		if (!read_it)
			write_large(path);
		_exit(read_it ? read_large(path) : 0);
	}
	waitpid(child, &how, 0);
	return how;
}

static void a_large_ct_loads_in_twice_its_size(void **state)
{
	char path[] = "/tmp/spineplan-large-XXXXXX";

	(void)state;
	close(mkstemp(path));
	assert_int_equal(in_child(path, 0), 0);
	assert_int_equal(in_child(path, 1), 0);
	unlink(path);
}

static void a_body_outline_takes_about_a_second(void **state)
{
	const sp_grid grid = {{512, 512, 100}, {0.9, 0.9, 3.0}, {-230.0, -230.0, -150.0}};
	float *fraction = malloc(sp_grid_voxels(&grid) * sizeof *fraction);
	double start, seconds;
	sp_structure *s;
	sp_case *c;

	(void)state;
	OK(sp_case_create(&c, &grid, 0, NULL));
	OK(sp_case_add_structure(&s, c, "body", SP_ROLE_EXTERNAL, NULL));
	for (int k = 0; k < 100; k++)
		add_ellipse(s, -150.0 + 3.0 * k, 200.0, 140.0, 1500);
	start = sp_clock_seconds();
	OK(sp_structure_fractions(fraction, s, &c->ct, &grid, NULL));
	seconds = sp_clock_seconds() - start;
	print_message("a body outline of 100 slices in %.2f s\n", seconds);
	assert_true(seconds < FRACTIONS_S);
	free(fraction);
	sp_case_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_large_ct_loads_in_twice_its_size),
	        cmocka_unit_test(a_body_outline_takes_about_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
