/* The device layer: a device is chosen by index or name, kernels are built and kept, and each failure says what to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"
#include "log.h"

typedef struct {
	char folder[64]; /* scratch folder, the process's current one */
	sp_device *device;
	sp_error err;
} rig;

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The one file in the program cache; fails when there is another number of them than expected. */
static void cache_file(char out[256], int expected)
{
	FILE *f = popen("ls -1 $XDG_CACHE_HOME/spineplan 2>/dev/null", "r");
	char line[200];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, 256, "%s/spineplan/%s", getenv("XDG_CACHE_HOME"), line);
		n++;
	}
	pclose(f);
	assert_int_equal(n, expected);
}

static int set_up(void **state)
{
	rig *r = calloc(1, sizeof *r);
	char cache[96];

	strcpy(r->folder, "/tmp/spineplan-device-XXXXXX");
	if (!mkdtemp(r->folder))
		return -1;
	snprintf(cache, sizeof cache, "%s/cache", r->folder);
	setenv("XDG_CACHE_HOME", cache, 1);
	unsetenv("SPINEPLAN_KERNEL_DIR");
	unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	setenv("SPINEPLAN_PROGRAM_CACHE", "on", 1); /* PoCL would do without */
	*state = r;
	if (sp_device_open(&r->device, NULL, &r->err) != SP_OK)
		fprintf(stderr, "%s\n", r->err.text);
	return r->device ? 0 : -1;
}

static int tear_down(void **state)
{
	rig *r = *state;
	char command[96];

	unsetenv("SPINEPLAN_KERNEL_DIR");
	unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	sp_device_close(r->device);
	snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
	free(r);
	return system(command);
}

/* Opens again what the rig has open, as another process would. */
static void reopen(rig *r)
{
	sp_device_close(r->device);
	r->device = NULL;
	assert_int_equal(sp_device_open(&r->device, NULL, &r->err), SP_OK);
}

static void use_kernels(rig *r, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "%s/test.cl", r->folder);
	write_text(path, text);
	setenv("SPINEPLAN_KERNEL_DIR", r->folder, 1);
}

static const char doubling[] = "__kernel void twice(__global float *x, uint n)\n"
                               "{\n"
                               "	uint i = get_global_id(0);\n"
                               "	if (i < n)\n"
                               "		x[i] = FACTOR * x[i];\n"
                               "}\n";

static void list_describes_every_device(void **state)
{
	sp_device_info *infos;
	size_t n;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_device_list(&infos, &n, &err), SP_OK);
	assert_true(n >= 1);
	for (size_t i = 0; i < n; i++) {
		assert_true(infos[i].name[0] != '\0' && infos[i].platform[0] != '\0');
		assert_true(infos[i].compute_units > 0 && infos[i].max_work_group > 0);
		assert_true(infos[i].max_alloc_bytes > 0 && infos[i].max_alloc_bytes <= infos[i].global_bytes);
		assert_true(infos[i].local_bytes > 0);
	}
	free(infos);
}

static void device_is_chosen_by_index_or_part_of_a_name(void **state)
{
	rig *r = *state;
	const sp_device_info *best = sp_device_describe(r->device);
	char part[8] = "";
	sp_device *d;

	assert_int_equal(sp_device_open(&d, "0", &r->err), SP_OK);
	sp_device_close(d);
	memcpy(part, best->name, strlen(best->name) < 6 ? strlen(best->name) : 6);
	assert_int_equal(sp_device_open(&d, part, &r->err), SP_OK);
	assert_string_equal(sp_device_describe(d)->name, best->name);
	sp_device_close(d);
	for (char *c = part; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	assert_int_equal(sp_device_open(&d, part, &r->err), SP_OK);
	sp_device_close(d);
	assert_int_equal(sp_device_open(&d, best->platform, &r->err), SP_OK);
	sp_device_close(d);
}

static void selector_that_fits_nothing_lists_what_is_there(void **state)
{
	rig *r = *state;
	sp_device *d;

	assert_int_equal(sp_device_open(&d, "no such card", &r->err), SP_DEVICE);
	assert_null(d);
	assert_non_null(strstr(r->err.text, "'no such card'"));
	assert_non_null(strstr(r->err.text, sp_device_describe(r->device)->name));
	memset(&r->err, 0, sizeof r->err);
	assert_int_equal(sp_device_open(&d, "999", &r->err), SP_DEVICE);
	assert_non_null(strstr(r->err.text, "0 = "));
}

static void kernel_runs_with_its_options(void **state)
{
	rig *r = *state;
	float x[5] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f}, out[5];
	cl_uint n = 4;
	cl_mem buffer;
	cl_kernel k;

	use_kernels(r, doubling);
	assert_int_equal(sp_device_kernel(&k, r->device, "test.cl", "twice", "-DFACTOR=3.0f", &r->err), SP_OK);
	assert_int_equal(sp_buffer_create(&buffer, r->device, CL_MEM_READ_WRITE, sizeof x, x, "x", &r->err), SP_OK);
	assert_int_equal(sp_kernel_set_all(k, (sp_argument[]){SP_ARG(buffer), SP_ARG(n)}, 2, &r->err), SP_OK);
	/* 5 is rounded up to 8 work-items: the kernel's guard keeps the last element */
	assert_int_equal(sp_device_launch(r->device, k, 5, 4, &r->err), SP_OK);
	assert_int_equal(sp_buffer_read(r->device, buffer, 0, sizeof out, out, &r->err), SP_OK);
	assert_float_equal(out[0], 3.0f, 0.0f);
	assert_float_equal(out[3], 12.0f, 0.0f);
	assert_float_equal(out[4], 5.0f, 0.0f);
	sp_buffer_release(&buffer);
	assert_null(buffer);
	sp_buffer_release(&buffer);
	clReleaseKernel(k);
}

static void empty_and_zeroed_buffers_work(void **state)
{
	rig *r = *state;
	unsigned char out[37];
	cl_mem buffer;

	assert_int_equal(sp_buffer_create(&buffer, r->device, CL_MEM_READ_WRITE, 0, NULL, "empty", &r->err), SP_OK);
	assert_int_equal(sp_buffer_zero(r->device, buffer, 0, &r->err), SP_OK);
	sp_buffer_release(&buffer);
	for (size_t bytes = 29; bytes <= sizeof out; bytes++) {
		memset(out, 7, sizeof out);
		assert_int_equal(
		        sp_buffer_create(&buffer, r->device, CL_MEM_READ_WRITE, sizeof out, out, "bytes", &r->err),
		        SP_OK);
		assert_int_equal(sp_buffer_zero(r->device, buffer, bytes, &r->err), SP_OK);
		assert_int_equal(sp_buffer_read(r->device, buffer, 0, sizeof out, out, &r->err), SP_OK);
		for (size_t i = 0; i < sizeof out; i++)
			assert_int_equal(out[i], i < bytes ? 0 : 7);
		sp_buffer_release(&buffer);
	}
}

static void failed_build_shows_file_line_options_and_log(void **state)
{
	rig *r = *state;
	cl_kernel k;

	use_kernels(r, "__kernel void broken(__global float *x)\n{\n	x[0] = undeclared_thing;\n}\n");
	assert_int_equal(sp_device_kernel(&k, r->device, "test.cl", "broken", "-DANSWER=42", &r->err), SP_DEVICE);
	assert_null(k);
	assert_non_null(strstr(r->err.text, "test.cl"));
	assert_non_null(strstr(r->err.text, "-DANSWER=42"));
	assert_non_null(strstr(r->err.text, "undeclared_thing"));
	/* oclgrind's compiler pays no heed to #line and names every source input.cl */
	if (!strstr(sp_device_describe(r->device)->name, "Oclgrind"))
		assert_non_null(strstr(r->err.text, "test.cl:3"));
	assert_non_null(strstr(r->err.text, sp_device_describe(r->device)->name));
}

static void missing_file_and_kernel_are_named(void **state)
{
	rig *r = *state;
	cl_kernel k;

	assert_int_equal(sp_device_kernel(&k, r->device, "nowhere.cl", "x", NULL, &r->err), SP_DEVICE);
	assert_non_null(strstr(r->err.text, "nowhere.cl"));
	memset(&r->err, 0, sizeof r->err);
	assert_int_equal(sp_device_kernel(&k, r->device, "influence.cl", "nothing_of_that_name", NULL, &r->err),
	                 SP_DEVICE);
	assert_non_null(strstr(r->err.text, "nothing_of_that_name"));
}

static void build_embedded(rig *r)
{
	cl_kernel k;

	assert_int_equal(sp_device_kernel(&k, r->device, "influence.cl", "multiply_rows", NULL, &r->err), SP_OK);
	clReleaseKernel(k);
}

/* A program that is built is written under a new name and renamed, so its file has another inode than before. */
static ino_t inode_of(const char *path)
{
	struct stat info;

	assert_int_equal(stat(path, &info), 0);
	assert_true(info.st_size > 0);
	return info.st_ino;
}

static void built_program_is_kept_on_disk_and_found_again(void **state)
{
	rig *r = *state;
	char path[256];
	cl_kernel k;
	ino_t first;

	build_embedded(r);
	cache_file(path, 1);
	first = inode_of(path);
	reopen(r);
	build_embedded(r);
	cache_file(path, 1);
	assert_int_equal(inode_of(path), first);
	/* other options are another program */
	assert_int_equal(sp_device_kernel(&k, r->device, "influence.cl", "multiply_rows", "-DROWS_PER_ITEM=5", &r->err),
	                 SP_OK);
	clReleaseKernel(k);
	cache_file(path, 2);
}

static void damage_at(const char *path, long offset)
{
	FILE *f = fopen(path, "r+b");
	int c;

	assert_non_null(f);
	assert_int_equal(fseek(f, offset, SEEK_SET), 0);
	c = fgetc(f);
	assert_int_equal(fseek(f, offset, SEEK_SET), 0);
	assert_true(fputc(c ^ 0x10, f) != EOF);
	assert_int_equal(fclose(f), 0);
}

/* A damaged byte in header or binary, a cut file and another file's content: each is rebuilt and written again. */
static void damaged_cache_file_is_built_again(void **state)
{
	rig *r = *state;
	char path[256], kept[256];
	ino_t damaged, mended;

	build_embedded(r);
	cache_file(path, 1);
	snprintf(kept, sizeof kept, "%s/held", r->folder);
	for (int kind = 0; kind < 4; kind++) {
		if (kind == 0)
			damage_at(path, 3);
		else if (kind == 1)
			damage_at(path, 1000);
		else if (kind == 2)
			assert_int_equal(truncate(path, 700), 0);
		else
			write_text(
			        path,
			        "not a program at all, however long this text goes on: it has no header with a "
			        "checksum that fits, and "
			        "so the driver never sees it, whatever the driver would have made of two hundred such "
			        "bytes or more");
		/* the damaged file is held by a second link, lest the file system gives its inode to the new one */
		assert_int_equal(link(path, kept), 0);
		damaged = inode_of(kept);
		reopen(r);
		build_embedded(r);
		cache_file(path, 1);
		mended = inode_of(path);
		assert_true(mended != damaged);
		reopen(r);
		build_embedded(r);
		assert_int_equal(inode_of(path), mended);
		assert_int_equal(unlink(kept), 0);
	}
}

static void cache_folder_that_cannot_be_written_is_no_error(void **state)
{
	rig *r = *state;
	char path[128];

	snprintf(path, sizeof path, "%s/file", r->folder);
	write_text(path, "a file where a folder should be");
	setenv("XDG_CACHE_HOME", path, 1);
	build_embedded(r);
}

static void memory_limit_comes_from_the_environment(void **state)
{
	rig *r = *state;
	cl_mem buffer;

	assert_true(sp_device_memory_limit(r->device) <= sp_device_describe(r->device)->global_bytes);
	setenv("SPINEPLAN_DEVICE_MEMORY_MB", "3", 1);
	reopen(r);
	assert_int_equal(sp_device_memory_limit(r->device), 3 << 20);
	assert_int_equal(sp_device_alloc_limit(r->device), 3 << 20);
	assert_int_equal(
	        sp_buffer_create(&buffer, r->device, CL_MEM_READ_WRITE, (3 << 20) + 1, NULL, "too much", &r->err),
	        SP_DEVICE);
	assert_null(buffer);
	assert_non_null(strstr(r->err.text, "'too much'"));
	assert_non_null(strstr(r->err.text, "3.0 MiB"));
	assert_true(sp_device_reserve(r->device, 2 << 20));
	assert_false(sp_device_reserve(r->device, 2 << 20));
	sp_device_unreserve(r->device, 2 << 20);
	assert_true(sp_device_reserve(r->device, 3 << 20));
}

static void senseless_memory_limit_is_refused(void **state)
{
	rig *r = *state;
	sp_device *d;

	setenv("SPINEPLAN_DEVICE_MEMORY_MB", "lots", 1);
	assert_int_equal(sp_device_open(&d, NULL, &r->err), SP_BAD_INPUT);
	assert_non_null(strstr(r->err.text, "'lots'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(list_describes_every_device),
	        cmocka_unit_test_setup_teardown(device_is_chosen_by_index_or_part_of_a_name, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(selector_that_fits_nothing_lists_what_is_there, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(kernel_runs_with_its_options, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(empty_and_zeroed_buffers_work, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(failed_build_shows_file_line_options_and_log, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(missing_file_and_kernel_are_named, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(built_program_is_kept_on_disk_and_found_again, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(damaged_cache_file_is_built_again, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(cache_folder_that_cannot_be_written_is_no_error, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(memory_limit_comes_from_the_environment, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(senseless_memory_limit_is_refused, set_up, tear_down),
	};

	sp_log_set_level(SP_LOG_QUIET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
