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
#include "case_fixture.h"
#include "clock.h"

#define OK(call) assert_int_equal((call), SP_OK)
#define FILES 300
/* With HDF5 1.10.8 these seeds have the library crash three times and hang twice, in the process that reads for us. */
#define FIRST_SEED 100600u
/* Processor time that the reader may use for one question is 3 s; a file of 30 kB asks 60 questions at 1 ms. */
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
	fixture_case_file(good);
	OK(sp_file_read_all(&original, &bytes, good, 1u << 20, NULL));
	data = malloc(bytes);
	for (unsigned i = 0; i < FILES; i++) {
		double start = sp_clock_seconds();
		sp_error err = {0};
		sp_case *c;
		size_t length;

		random_state = FIRST_SEED + i;
		memcpy(data, original, bytes);
		length = damage((unsigned char *)data, bytes, i);
		OK(sp_file_write_all(bad, data, length, NULL));
		if (sp_case_read(&c, bad, &err) != SP_OK) {
			refused++;
			assert_null(c);
			if (!strstr(err.text, bad))
				fail_msg("seed %u: \"%s\" does not name the file", FIRST_SEED + i, err.text);
		}
		sp_case_destroy(c);
		if (sp_clock_seconds() - start > LONGEST_S)
			fail_msg("seed %u took %.0f s", FIRST_SEED + i, sp_clock_seconds() - start);
		if (getenv("SHOW_SENTENCES"))
			print_message("%u: %.3f s %s\n", FIRST_SEED + i, sp_clock_seconds() - start, err.text);
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
