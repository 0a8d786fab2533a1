/* Case files damaged at random, 300 of them from fixed seeds: bits flipped, bytes overwritten, blocks zeroed, swapped
 * and repeated, ends cut off. Each is either read or refused with a sentence that names the file: never a crash, a
 * hang or a process left behind (and no leak, in the sanitizer build). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic_file.h"
#include "case.h"
#include "clock.h"
#include "mask.h"

#define OK(call) assert_int_equal((call), SP_OK)
#define FILES 300
/* Processor time that the reader may use for one question is 5 s; a file of 20 kB asks 40 questions at 1 ms. */
#define LONGEST_S 30.0

static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
	/* xorshift64* (Vigna 2016) */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 2685821657736338717ull >> 16) % below;
}

static void write_good_case(const char *path)
{
	const sp_grid grid = {{19, 23, 13}, {2.0, 2.5, 3.0}, {-20.0, -30.0, 100.0}};
	uint8_t in[19 * 23 * 13] = {0};
	sp_error err = {0};
	sp_structure *s;
	sp_case *c;

	OK(sp_case_create(&c, &grid, -1000, NULL));
	for (size_t i = 0; i < sp_grid_voxels(&grid); i++)
		c->hu[i] = (int16_t)(i * 7919 % 2000 - 1000);
	for (int n = 0; n < 3; n++) {
		OK(sp_case_add_structure(&s, c,
		                         n == 0   ? "PTV"
		                         : n == 1 ? "cord"
		                                  : "aorta",
		                         n == 0   ? SP_ROLE_PTV
		                         : n == 1 ? SP_ROLE_CORD
		                                  : SP_ROLE_ORGAN,
		                         NULL));
		for (int k = 0; k < 8; k++) {
			const double z = 103.0 + 3.0 * k, x = 8.0 * n - 10.0;
			const double points[5][3] = {
			        {x, -20, z}, {x + 7, -21, z}, {x + 8, -10, z}, {x + 4, 0, z}, {x, -5, z}};

			OK(sp_structure_add_polygon(s, points, 5, NULL));
		}
	}
	OK(sp_case_add_structure(&s, c, "rod", SP_ROLE_HARDWARE, NULL));
	for (size_t i = 0; i < sizeof in; i++)
		in[i] = i % 23 < 3;
	OK(sp_structure_set_mask(s, in, &grid, NULL));
	s->material = strdup("titanium");
	c->prescription = (sp_prescription){true, 24.0, 2, strdup("PTV"), NULL};
	if (sp_case_write(c, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_case_destroy(c);
}

/* Where metadata is dense damage does most harm, so half of the places lie in the first 2 kB of a block of 4. */
static size_t place_in(size_t bytes)
{
	size_t at = (size_t)next_random(bytes);

	return next_random(2) ? at : at % 2048;
}

/* Returns the new length. */
static size_t damage(unsigned char *data, size_t bytes, unsigned kind)
{
	size_t length = 1 + (size_t)next_random(256), from = place_in(bytes - 256), to = place_in(bytes - 256);
	unsigned char block[256];

	switch (kind % 6) {
	case 0:
		for (uint64_t n = 1 + next_random(16); n > 0; n--)
			data[place_in(bytes)] ^= (unsigned char)(1u << next_random(8));
		return bytes;
	case 1:
		for (uint64_t n = 1 + next_random(40); n > 0; n--)
			data[place_in(bytes)] = (unsigned char)next_random(256);
		return bytes;
	case 2:
		memset(data + from, next_random(2) ? 0 : 255, length);
		return bytes;
	case 3:
		memcpy(block, data + from, length);
		memmove(data + from, data + to, length);
		memcpy(data + to, block, length);
		return bytes;
	case 4:
		memmove(data + from, data + to, length);
		return bytes;
	default:
		return (size_t)next_random(bytes);
	}
}

static void damaged_files_are_read_or_refused(void **state)
{
	char good[] = "/tmp/spineplan-good-XXXXXX", bad[] = "/tmp/spineplan-bad-XXXXXX";
	char *original, *data;
	size_t bytes, refused = 0;

	(void)state;
	close(mkstemp(good));
	close(mkstemp(bad));
	write_good_case(good);
	OK(sp_file_read_all(&original, &bytes, good, 1u << 20, NULL));
	data = malloc(bytes);
	for (unsigned i = 0; i < FILES; i++) {
		double start = sp_clock_seconds();
		sp_error err = {0};
		sp_case *c;
		size_t length;

		random_state = 1000 + i;
		memcpy(data, original, bytes);
		length = damage((unsigned char *)data, bytes, i);
		OK(sp_file_write_all(bad, data, length, NULL));
		if (sp_case_read(&c, bad, &err) != SP_OK) {
			refused++;
			assert_null(c);
			if (!strstr(err.text, bad))
				fail_msg("seed %u: \"%s\" does not name the file", 1000 + i, err.text);
		}
		sp_case_destroy(c);
		if (sp_clock_seconds() - start > LONGEST_S)
			fail_msg("seed %u took %.0f s", 1000 + i, sp_clock_seconds() - start);
		if (getenv("SHOW_SENTENCES"))
			print_message("%u: %.3f s %s\n", 1000 + i, sp_clock_seconds() - start, err.text);
	}
	assert_true(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	assert_true(refused > FILES / 2); /* else the damage does not reach what matters */
	print_message("%zu of %d damaged files refused\n", refused, FILES);
	free(data);
	free(original);
	unlink(good);
	unlink(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(damaged_files_are_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
