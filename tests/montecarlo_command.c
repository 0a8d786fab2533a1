/* `dose --engine mc` and `merge` as a user meets them: one result however a run is cut up, stopped or killed; files,
 * exit status and sentences. argv[1] is the program. */
#include "command_fixture.h"

#include "h5.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "sha256.h"

#define FIELD "--source point --ssd-mm 900 --field-mm 40x30 --batch-histories 512"
#define RUN "dose s.h5 " FIELD " --histories 16000 --seed 7" /* 32 batches */

static char *program;
static char folder[] = "montecarlo_command_XXXXXX";

/* Runs `spineplan ARGUMENTS` in the test's folder, both streams in output, and gives the exit status. */
static int run(const char *arguments)
{
	char command[1024];

	snprintf(command, sizeof command, "cd '%s' && '%s' %s 2>&1", folder, program, arguments);
	return run_line(command);
}

static void do_run(const char *arguments)
{
	if (run(arguments) != 0)
		fail_msg("'%s' fails: %s", arguments, output);
}

static bool exists(const char *name)
{
	return holds(folder, name);
}

/* A dataset of a file in the folder; bytes_out: its size. free() it. */
static void *read_dataset(const char *name, const char *dataset, sp_h5_type type, uint64_t *elements_out)
{
	char path[128];
	sp_h5_in *f = NULL;
	sp_h5_info info;
	sp_error err = {0};
	void *data;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (sp_h5_open(&f, path, &err) != SP_OK || sp_h5_look(&info, f, dataset, &err) != SP_OK ||
	    info.kind != SP_H5_DATASET)
		fail_msg("%s:%s: %s", name, dataset, err.text);
	data = calloc(info.elements, sp_h5_type_bytes(type));
	assert_int_equal(sp_h5_read(f, dataset, type, data, info.elements, NULL), SP_OK);
	sp_h5_close(f);
	*elements_out = info.elements;
	return data;
}

/* SHA-256 of the hashes of all that a run computes. */
static void hash_of(char out[65], const char *name)
{
	static const struct {
		const char *dataset;
		sp_h5_type type;
	} all[] = {{"/dose/dose_gy_per_particle", SP_H5_F32},
	           {"/dose/sigma_gy_per_particle", SP_H5_F32},
	           {"/montecarlo/sum", SP_H5_I64},
	           {"/montecarlo/squares", SP_H5_U64},
	           {"/montecarlo/accounts", SP_H5_I64},
	           {"/montecarlo/counts", SP_H5_U64},
	           {"/montecarlo/ranges", SP_H5_U64}};
	char hashes[7][65];

	for (size_t i = 0; i < 7; i++) {
		uint64_t n;
		void *data = read_dataset(name, all[i].dataset, all[i].type, &n);

		sp_sha256_bytes(hashes[i], data, n * sp_h5_type_bytes(all[i].type));
		free(data);
	}
	sp_sha256_bytes(out, hashes, sizeof hashes);
}

static void assert_same_result(const char *a, const char *b)
{
	char x[65], y[65];

	hash_of(x, a);
	hash_of(y, b);
	assert_string_equal(x, y);
}

/* Energy that leaves the source in 32 batches, in units of the tally. */
static int64_t emitted(const char *arguments)
{
	char command[256];
	uint64_t n;
	int64_t *accounts, energy;

	snprintf(command, sizeof command, RUN " %s -o emitted.h5", arguments);
	do_run(command);
	accounts = read_dataset("emitted.h5", "/montecarlo/accounts", SP_H5_I64, &n);
	energy = accounts[0];
	free(accounts);
	return energy;
}

/* A field's photons have the spectrum of the machine that is named, which is harder at 10 MV than at 6; --spectrum goes
 * before it. */
static void a_field_has_the_spectrum_of_its_machine(void **state)
{
	int64_t six, ten, mohan;

	(void)state;
	six = emitted("--machine generic-6mv");
	ten = emitted("--machine generic-10mv");
	mohan = emitted("--machine generic-10mv --spectrum mohan6");
	assert_true((double)ten > 1.2 * (double)six);
	assert_true((double)mohan < 0.9 * (double)ten);
	assert_true(mohan == emitted(""));
}

/* Starts `spineplan RUN -o NAME`, waits for a checkpoint of it, and sends it the signal; its wait status. */
static int stop_at_checkpoint(const char *command, const char *name, int signal_number)
{
	const struct timespec pause = {0, 1000000};
	char checkpoint[64], line[512], *argv[64], *word;
	int status, n = 0;
	pid_t child;

	snprintf(checkpoint, sizeof checkpoint, "%s.checkpoint", name);
	snprintf(line, sizeof line, "spineplan -q %s --checkpoint 0 -o %s", command, name);
	for (word = strtok(line, " "); word; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n] = NULL;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		if (chdir(folder) != 0 || dup2(nowhere, STDERR_FILENO) < 0)
			_exit(99);
		execv(program, argv);
		_exit(99);
	}
	while (!exists(checkpoint) && waitpid(child, &status, WNOHANG) == 0)
		nanosleep(&pause, NULL);
	kill(child, signal_number);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void parts_and_launches_and_one_run_are_the_same_bits(void **state)
{
	(void)state;
	do_run(RUN " -o chunks.h5 --chunk 5");
	assert_same_result("one.h5", "chunks.h5");
	do_run(RUN " -o p1.h5 --parts 1/3");
	do_run(RUN " -o p2.h5 --parts 2/3");
	do_run(RUN " -o p3.h5 --parts 3/3");
	do_run("merge p3.h5 p1.h5 p2.h5 -o merged.h5");
	assert_same_result("one.h5", "merged.h5");
	do_run("merge p1.h5 p3.h5 -o some.h5 --allow-gaps");
	assert_says("batches 11 to 21 are missing");
	do_run("merge p2.h5 some.h5 -o late.h5");
	assert_same_result("one.h5", "late.h5");
}

static void a_killed_run_goes_on_to_the_same_bits(void **state)
{
	int status = stop_at_checkpoint(RUN, "killed.h5", SIGKILL);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(exists("killed.h5"));
	assert_true(exists("killed.h5.checkpoint"));
	do_run(RUN " -o killed.h5 --resume");
	assert_says("goes on after");
	assert_false(exists("killed.h5.checkpoint"));
	assert_same_result("one.h5", "killed.h5");
}

/* The stop rule too looks after the same batches. */
static void an_interrupted_run_ends_with_4_and_goes_on(void **state)
{
	const char *command = "dose s.h5 " FIELD " --uncertainty 4% --seed 7";
	char arguments[256];
	int status;

	(void)state;
	snprintf(arguments, sizeof arguments, "%s -o sure.h5", command);
	do_run(arguments);
	status = stop_at_checkpoint(command, "asked.h5", SIGTERM);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 4);
	assert_true(exists("asked.h5.checkpoint") && !exists("asked.h5"));
	snprintf(arguments, sizeof arguments, "%s -o asked.h5 --resume", command);
	do_run(arguments);
	assert_same_result("sure.h5", "asked.h5");
}

static void foreign_and_broken_checkpoints_are_refused(void **state)
{
	char path[128];

	(void)state;
	stop_at_checkpoint(RUN, "r.h5", SIGKILL);
	assert_int_equal(run(RUN " -o r.h5 --resume --seed 8"), 2);
	assert_says("'seed: 7' against 'seed: 8'");
	assert_int_equal(run(RUN " -o r.h5 --resume --plain"), 2);
	assert_says("'plain: no' against 'plain: yes'");
	assert_int_equal(run(RUN " -o r.h5 --resume --parts 2/2"), 2);
	assert_says("starts at batch 0, expected 16");
	snprintf(path, sizeof path, "%s/r.h5.checkpoint", folder);
	assert_int_equal(truncate(path, 20000), 0);
	assert_int_equal(run(RUN " -o r.h5 --resume"), 2);
	assert_says("truncated or damaged");
	assert_false(exists("r.h5"));
	assert_true(exists("r.h5.checkpoint"));
	/* without --resume it stands in nobody's way */
	do_run(RUN " -o r.h5");
	assert_says("starts anew");
	assert_same_result("one.h5", "r.h5");
}

static void parts_that_do_not_belong_together_are_refused(void **state)
{
	static const struct {
		const char *arguments, *says;
	} wrong[] = {
	        {"merge", "expected the PARTs"},
	        {"merge p1.h5", "expected -o DOSE"},
	        {"merge p1.h5 p1.h5 -o bad.h5", "both hold batch 0"},
	        {"merge p1.h5 one.h5 -o bad.h5", "both hold batch 0"},
	        {"merge p1.h5 p3.h5 -o bad.h5", "batches 11 to 21 are missing"},
	        {"merge p1.h5 p2.h5 -o bad.h5", "batches 22 to 31 are missing"},
	        {"merge p1.h5 other.h5 -o bad.h5", "'seed: 7' against 'seed: 8'"},
	        {"merge p1.h5 none.h5 -o bad.h5", "none.h5"},
	        {"merge p1.h5 s.h5 -o bad.h5", "no part of a Monte Carlo run"},
	        {"merge one.h5 -o no/bad.h5", "no/bad.h5"},
	};

	(void)state;
	do_run("dose s.h5 " FIELD " --histories 16000 --seed 8 --parts 2/3 -o other.h5");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int status = run(wrong[i].arguments);

		if (status != 2 || !strstr(output, wrong[i].says))
			fail_msg("'%s' ends with %d: %s", wrong[i].arguments, status, output);
		assert_false(exists("bad.h5"));
	}
}

/* Without variance reduction the balance holds history by history; floats round. */
static void energy_is_accounted_for(void **state)
{
	uint64_t n;
	int64_t *accounts, *sum, deposited = 0;

	(void)state;
	do_run("dose s.h5 " FIELD " --histories 4096 --plain --grid-mm 7 -o plain.h5");
	accounts = read_dataset("plain.h5", "/montecarlo/accounts", SP_H5_I64, &n);
	sum = read_dataset("plain.h5", "/montecarlo/sum", SP_H5_I64, &n);
	for (uint64_t v = 0; v < n; v++)
		deposited += sum[v];
	assert_true(deposited > 0 && accounts[1] > deposited / 2);
	assert_true(
	        fabs((double)(deposited + accounts[1] + accounts[2] + accounts[3] + accounts[4]) / (double)accounts[0] -
	             1.0) < 1e-6);
	free(accounts);
	free(sum);
	do_run("info plain.h5 --json");
	assert_says("\"imbalance\"");
	assert_says("\"kind\": \"dose\"");
	assert_says("sigma_gy_per_particle");
}

/* A parallel beam of electrons: all its energy stays in 50 mm of water, none gets past its range of 31 mm (6 MeV,
 * ESTAR). */
static void electrons_end_at_their_range(void **state)
{
	uint64_t n;
	float *dose;

	(void)state;
	do_run("phantom slabs -o e.h5 --layer water:60 --size-mm 60x80 --voxel-mm 10x20x2");
	do_run("dose e.h5 --source parallel --field-mm 20x40 --particle electron --energy-mev 6 --histories 4e3 "
	       "--batch-histories 512 -o ed.h5");
	dose = read_dataset("ed.h5", "/dose/dose_gy_per_particle", SP_H5_F32, &n);
	assert_int_equal(n, 6 * 4 * 30);
	/* inside the field at 10 mm and at 40 mm depth: there only bremsstrahlung, 1 % or so */
	assert_true(dose[5 * 24 + 1 * 6 + 2] > 30.0f * dose[20 * 24 + 1 * 6 + 2]);
	/* 2 MeV cm2/g over 8 cm2, in Gy */
	assert_true(fabsf(dose[5 * 24 + 1 * 6 + 2] / 4e-11f - 1.0f) < 0.5f);
	free(dose);
}

/* Three wide beams on water: both engines in absolute dose. 1 % of statistics a voxel are nothing over hundreds; the
 * pencil beam's own error is the tolerance. */
static void the_dose_of_a_plan_is_that_of_the_pencil_beam_in_water(void **state)
{
	double sum = 0.0, pencil_sum = 0.0;
	float *dose, *pencil, most = 0.0f;
	uint64_t n, m;

	(void)state;
	do_run("phantom tg119-c-shape -o tg.h5 --voxel-mm 6");
	/* any weights do: on a slow machine so short a search misses a hard limit, which is exit status 1 */
	assert_in_range(run("plan tg.h5 -o plan.h5 --grid-mm 6 --bixel-mm 15 --beams 0,100,250 --max-time 2"), 0, 1);
	do_run("dose tg.h5 plan.h5 -o pm.h5 --engine mc --uncertainty 2%");
	dose = read_dataset("pm.h5", "/dose/dose_gy", SP_H5_F32, &n);
	pencil = read_dataset("plan.h5", "/dose/dose_gy", SP_H5_F32, &m);
	assert_int_equal(n, m);
	for (uint64_t v = 0; v < n; v++)
		most = fmaxf(most, pencil[v]);
	for (uint64_t v = 0; v < n; v++)
		if (pencil[v] > 0.5f * most) {
			sum += (double)dose[v];
			pencil_sum += (double)pencil[v];
		}
	if (!(fabs(sum / pencil_sum - 1.0) < 0.02))
		fail_msg("Monte Carlo gives %.4f of the pencil beam's dose", sum / pencil_sum);
	free(dose);
	free(pencil);
	do_run("info pm.h5");
	assert_says("/dose/sigma_gy");
	assert_int_equal(run("dose tg.h5 plan.h5 -o bad.h5 --engine mc --spectrum mohan6"), 2);
}

/* Over cortical bone the ratio of stopping powers is 1.11, in water 1; the same histories, so no statistics. */
static void dose_to_water_is_dose_to_medium_times_a_ratio(void **state)
{
	uint64_t n;
	float *medium, *water;

	(void)state;
	do_run("phantom slabs -o b.h5 --layer water:20 --layer bone:20 --size-mm 60x80 --voxel-mm 10x20x10");
	do_run("dose b.h5 " FIELD " --histories 4096 -o bm.h5");
	do_run("dose b.h5 " FIELD " --histories 4096 -o bw.h5 --dose-to water");
	medium = read_dataset("bm.h5", "/dose/dose_gy_per_particle", SP_H5_F32, &n);
	water = read_dataset("bw.h5", "/dose/dose_gy_per_particle", SP_H5_F32, &n);
	assert_true(fabsf(water[1 * 24 + 8] / medium[1 * 24 + 8] - 1.0f) < 1e-6f);
	assert_true(fabsf(water[2 * 24 + 8] / medium[2 * 24 + 8] - 1.11f) < 0.02f);
	free(medium);
	free(water);
}

static void wrong_use_is_one_line_and_exit_2(void **state)
{
	static const struct {
		const char *arguments, *says;
	} wrong[] = {
	        {"dose a.h5 -o bad.h5 --source parallel", "belong together"},
	        {"dose s.h5 -o bad.h5 " FIELD " --uncertainty 1", "'1' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --uncertainty 0%", "'0%' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --histories many", "'many' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --histories 1e4 --uncertainty 1%", "exclude each other"},
	        {"dose s.h5 -o bad.h5 " FIELD " --seed -1", "'-1' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --parts 3/2 --histories 1e5", "'3/2' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --parts 1/2", "--parts shares out --histories"},
	        {"dose s.h5 -o bad.h5 " FIELD " --particle electron", "electrons need --energy-mev"},
	        {"dose s.h5 -o bad.h5 " FIELD " --energy-mev 50", "'50' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --energy-mev 6 --spectrum mohan6", "exclude each other"},
	        {"dose s.h5 -o bad.h5 " FIELD " --engine exact", "'exact' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --dose-to air", "'air' is no good value"},
	        {"dose s.h5 -o bad.h5 " FIELD " --engine pencil", "not for --engine pencil"},
	        {"dose s.h5 p.h5 -o bad.h5 --engine mc --energy-mev 6", "are for --source"},
	        {"dose s.h5 -o bad.h5 " FIELD " --spectrum nowhere", "nowhere"},
	        {"dose s.h5 -o no/bad.h5 " FIELD, "no/bad.h5"},
	        {"dose s.h5 -o bad.h5 " FIELD " --histories 5000 --parts 1/50", "cannot be shared out over 50 parts"},
	        {"dose s.h5 -o bad.h5 " FIELD " --histories 1e12", "more than the sums can hold"},
	        {"dose s.h5 one.h5 -o bad.h5 --engine mc", "is no plan"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int status = run(wrong[i].arguments);

		if (status != 2 || !strstr(output, wrong[i].says))
			fail_msg("'%s' ends with %d: %s", wrong[i].arguments, status, output);
		assert_false(exists("bad.h5"));
	}
	assert_int_equal(run("merge --help"), 0);
	assert_says("example: spineplan");
}

static void few_batches_and_little_time_are_said(void **state)
{
	(void)state;
	do_run(RUN " --parts 1/8 -o few.h5");
	assert_says("4 batches; a sigma needs 8");
	do_run("dose s.h5 " FIELD " --uncertainty 0.01% --max-time 0.2 -o short.h5");
	assert_says("before what was asked for is reached");
	assert_true(exists("short.h5") && !exists("short.h5.checkpoint"));
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	return run("phantom slabs -o s.h5 --layer water:40 --layer titanium:10 --layer water:30 --size-mm 80x60 "
	           "--voxel-mm 5x10x5") ||
	       run(RUN " -o one.h5");
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r '%s'", folder);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_field_has_the_spectrum_of_its_machine),
	        cmocka_unit_test(parts_and_launches_and_one_run_are_the_same_bits),
	        cmocka_unit_test(parts_that_do_not_belong_together_are_refused),
	        cmocka_unit_test(a_killed_run_goes_on_to_the_same_bits),
	        cmocka_unit_test(an_interrupted_run_ends_with_4_and_goes_on),
	        cmocka_unit_test(foreign_and_broken_checkpoints_are_refused),
	        cmocka_unit_test(energy_is_accounted_for),
	        cmocka_unit_test(electrons_end_at_their_range),
	        cmocka_unit_test(dose_to_water_is_dose_to_medium_times_a_ratio),
	        cmocka_unit_test(the_dose_of_a_plan_is_that_of_the_pencil_beam_in_water),
	        cmocka_unit_test(few_batches_and_little_time_are_said),
	        cmocka_unit_test(wrong_use_is_one_line_and_exit_2),
	};
	int failed;

	if (argc < 2 || !(program = realpath(argv[1], NULL)))
		return 2;
	failed = cmocka_run_group_tests(tests, set_up, tear_down);
	free(program);
	return failed;
}
