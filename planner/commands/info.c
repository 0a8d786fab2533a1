/* `spineplan info`: what kind of file this is, how large its arrays are and where it came from, without reading them.
 */
#include "commands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "h5.h"

static const char help[] =
        "usage: spineplan info FILE [--json]\n"
        "\n"
        "Tells what an HDF5 file of this program holds (a case, a plan, a dose or an influence matrix): the sizes of\n"
        "its arrays, where they lie, and the provenance. `spineplan check` looks closer at a case.\n"
        "\n"
        "  --json    the same for machines: kind, format, version, bytes, arrays, structures, beams, provenance\n"
        "  --help    this text\n"
        "\n"
        "example: spineplan info plan.h5\n";

/* The arrays that tell what a file is, the most telling first. */
static const struct {
	const char *path, *kind;
} known[] = {
        {"/influence/data", "matrix"},
        {"/influence/indptr", NULL},
        {"/dose/dose_gy", "dose"},
        {"/dose/sigma_gy", NULL},
        {"/dose/dose_gy_per_particle", "dose"},
        {"/dose/sigma_gy_per_particle", NULL},
        {"/ct/hu", "case"},
};

static json_t *numbers_json(const double *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_real(v[i]));
	return list;
}

/* Adds attributes of that name, if they are there and are n numbers. */
static sp_status add_numbers(json_t *to, sp_h5_in *f, const char *object, const char *attribute, size_t n,
                             sp_error *err)
{
	double v[3];
	bool found;
	sp_status st = sp_h5_get_numbers(v, n, &found, f, object, attribute, err);

	if (st == SP_OK && found)
		json_object_set_new(to, attribute, numbers_json(v, n));
	return st;
}

static sp_status add_array(json_t *arrays, sp_h5_in *f, const char *path, bool *there, sp_error *err)
{
	json_t *size, *entry;
	sp_h5_info info;
	sp_status st = sp_h5_look(&info, f, path, err);

	*there = st == SP_OK && info.kind == SP_H5_DATASET;
	if (!*there)
		return st;
	size = json_array();
	for (int i = 0; i < info.rank; i++)
		json_array_append_new(size, json_integer((json_int_t)info.dims[i]));
	entry = json_pack("{s:s,s:o,s:s,s:I}", "path", path, "size", size, "numbers",
	                  info.class == SP_H5_FLOAT ? "float" : "integer", "bytes_each",
	                  (json_int_t)info.element_bytes);
	json_array_append_new(arrays, entry);
	if (info.rank == 3 && (st = add_numbers(entry, f, path, "spacing_mm", 3, err)) == SP_OK)
		st = add_numbers(entry, f, path, "origin_mm", 3, err);
	return st;
}

static sp_status add_names(json_t *all, const char *key, sp_h5_in *f, const char *group, sp_error *err)
{
	json_t *list;
	sp_h5_info info;
	char **names;
	size_t n;
	sp_status st;

	if ((st = sp_h5_look(&info, f, group, err)) != SP_OK || info.kind != SP_H5_GROUP ||
	    (st = sp_h5_list(&names, &n, f, group, err)) != SP_OK)
		return st;
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *name = json_string(names[i]);

		json_array_append_new(list, name ? name : json_string("(not UTF-8)"));
	}
	json_object_set_new(all, key, list);
	free(names);
	return SP_OK;
}

static sp_status add_text(json_t *all, const char *key, sp_h5_in *f, const char *object, sp_error *err)
{
	char *text;
	sp_status st = sp_h5_get_text(&text, f, object, key, err);

	if (text)
		json_object_set_new(all, key, json_string(text));
	free(text);
	return st;
}

/* What is said of beams with control points: technique, name, monitor units, number of control points. */
static sp_status add_control_points(json_t *all, sp_h5_in *f, sp_error *err)
{
	const json_t *names = json_object_get(all, "beams");
	json_t *list = json_array();
	double sum = 0.0;
	sp_status st = SP_OK;

	for (size_t i = 0; i < json_array_size(names) && st == SP_OK; i++) {
		char group[SP_H5_PATH_BYTES], path[SP_H5_PATH_BYTES];
		json_t *beam;
		double mu = 0.0;
		bool found;
		sp_h5_info info;

		sp_h5_join(group, "/beams/", json_string_value(json_array_get(names, i)), "");
		sp_h5_join(path, group, "/cumulative_mu", "");
		if ((st = sp_h5_look(&info, f, path, err)) != SP_OK || info.kind != SP_H5_DATASET || info.rank != 1)
			continue;
		beam = json_pack("{s:I}", "control_points", (json_int_t)info.dims[0]);
		json_array_append_new(list, beam);
		if ((st = add_text(beam, "technique", f, group, err)) != SP_OK ||
		    (st = add_text(beam, "name", f, group, err)) != SP_OK ||
		    (st = sp_h5_get_numbers(&mu, 1, &found, f, group, "mu", err)) != SP_OK)
			break;
		json_object_set_new(beam, "mu", json_real(mu));
		sum += mu;
	}
	if (st == SP_OK && json_array_size(list)) {
		json_object_set(all, "control_points", list);
		json_object_set_new(all, "mu", json_real(sum));
	}
	json_decref(list);
	return st;
}

/* The provenance is JSON in a text dataset. */
static sp_status add_provenance(json_t *all, sp_h5_in *f, sp_error *err)
{
	sp_h5_info info;
	json_t *value;
	char *text;
	sp_status st = sp_h5_look(&info, f, "/provenance", err);

	if (st != SP_OK || info.kind != SP_H5_DATASET || info.class != SP_H5_TEXT ||
	    (st = sp_h5_read_text(&text, f, "/provenance", err)) != SP_OK)
		return st;
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	json_object_set_new(all, "provenance", value ? value : json_string(text));
	free(text);
	return SP_OK;
}

static sp_status find_out(json_t *all, sp_h5_in *f, sp_error *err)
{
	json_t *arrays = json_array();
	const char *kind = NULL, *format;
	sp_h5_info beams;
	double version;
	bool found;
	sp_status st = SP_OK;

	json_object_set_new(all, "file", json_string(sp_h5_path(f)));
	json_object_set_new(all, "bytes", json_integer((json_int_t)sp_h5_file_bytes(f)));
	json_object_set_new(all, "arrays", arrays);
	for (size_t i = 0; i < sizeof known / sizeof *known && st == SP_OK; i++) {
		st = add_array(arrays, f, known[i].path, &found, err);
		if (found && !kind)
			kind = known[i].kind;
	}
	if (st != SP_OK || (st = sp_h5_look(&beams, f, "/beams", err)) != SP_OK)
		return st;
	if ((st = add_text(all, "format", f, "/", err)) != SP_OK)
		return st;
	format = json_string_value(json_object_get(all, "format"));
	/* a plan without a dose, or with no more than its beams, is still a plan */
	if ((kind && strcmp(kind, "dose") == 0 && beams.kind == SP_H5_GROUP) ||
	    (format && strcmp(format, "spineplan-plan") == 0))
		kind = "plan";
	if (!kind)
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s holds none of /ct/hu, /dose/dose_gy and /influence/data: it is no file of this program",
		        sp_h5_path(f));
	json_object_set_new(all, "kind", json_string(kind));
	if ((st = sp_h5_get_numbers(&version, 1, &found, f, "/", "version", err)) != SP_OK)
		return st;
	if (found)
		json_object_set_new(all, "version", json_real(version));
	if ((st = add_names(all, "structures", f, "/structures", err)) != SP_OK ||
	    (st = add_names(all, "beams", f, "/beams", err)) != SP_OK ||
	    (st = add_control_points(all, f, err)) != SP_OK)
		return st;
	return add_provenance(all, f, err);
}

static void print_numbers(const char *before, const json_t *list, const char *between)
{
	size_t i;
	json_t *v;

	fputs(before, stdout);
	json_array_foreach(list, i, v) printf("%s%g", i ? between : "", json_number_value(v));
}

static void print_names(const char *head, const json_t *list)
{
	size_t i;
	json_t *v;

	if (!list)
		return;
	printf("%-12s%zu", head, json_array_size(list));
	json_array_foreach(list, i, v) printf("%s%s", i ? ", " : ": ", json_string_value(v));
	putchar('\n');
}

static void print_control_points(const json_t *all)
{
	const json_t *beam;
	size_t i;

	json_array_foreach(json_object_get(all, "control_points"), i, beam)
	{
		const char *name = json_string_value(json_object_get(beam, "name"));
		const char *technique = json_string_value(json_object_get(beam, "technique"));

		printf("%-12s%s%s%s, %lld control points, %.1f MU\n", i ? "" : "delivery", name ? name : "",
		       name ? ": " : "", technique ? technique : "no technique",
		       (long long)json_integer_value(json_object_get(beam, "control_points")),
		       json_number_value(json_object_get(beam, "mu")));
	}
	if (json_object_get(all, "mu"))
		printf("            %.1f MU a fraction\n", json_number_value(json_object_get(all, "mu")));
}

static void print_table(const json_t *all)
{
	const json_t *provenance = json_object_get(all, "provenance"), *entry;
	const char *key;
	json_t *value;
	size_t i;

	printf("file        %s, %.1f MB\n", json_string_value(json_object_get(all, "file")),
	       1e-6 * json_number_value(json_object_get(all, "bytes")));
	printf("kind        %s", json_string_value(json_object_get(all, "kind")));
	if (json_object_get(all, "version"))
		printf(", version %g", json_number_value(json_object_get(all, "version")));
	putchar('\n');
	if (sp_plan_is_unfinished(provenance))
		printf("            %s\n", SP_PLAN_UNFINISHED);
	json_array_foreach(json_object_get(all, "arrays"), i, entry)
	{
		printf("%-12s%s: ", i ? "" : "arrays", json_string_value(json_object_get(entry, "path")));
		print_numbers("", json_object_get(entry, "size"), " x ");
		printf(" %s%lld", json_string_value(json_object_get(entry, "numbers")),
		       8 * (long long)json_integer_value(json_object_get(entry, "bytes_each")));
		if (json_object_get(entry, "spacing_mm"))
			print_numbers(", x y z spacing ", json_object_get(entry, "spacing_mm"), " ");
		if (json_object_get(entry, "origin_mm"))
			print_numbers(", origin ", json_object_get(entry, "origin_mm"), " ");
		putchar('\n');
	}
	print_names("structures", json_object_get(all, "structures"));
	print_names("beams", json_object_get(all, "beams"));
	print_control_points(all);
	if (!provenance)
		return;
	i = 0;
	json_object_foreach((json_t *)provenance, key, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));

		printf("%-12s%s %s\n", i++ ? "" : "provenance", key, text ? text : "");
		free(text);
	}
}

int sp_command_info(int argc, char **argv)
{
	static const struct option options[] = {
	        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	json_t *all = NULL;
	sp_h5_in *f = NULL;
	sp_error err = {0};
	bool json = false;
	int option, status = 0;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0;
		if (option != 'j')
			return sp_command_usage("info", "no option %s", argv[optind - 1]);
		json = true;
	}
	if (argc - optind != 1)
		return sp_command_usage("info", "expected one file, got %d", argc - optind);
	all = json_object();
	if (sp_h5_open(&f, argv[optind], &err) != SP_OK || find_out(all, f, &err) != SP_OK)
		status = sp_command_fail("info", &err);
	else if (!json)
		print_table(all);
	else if (json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0 || putchar('\n') == EOF)
		status = 2;
	sp_h5_close(f);
	json_decref(all);
	return status;
}
