/* `spineplan check`: reads a case, says what is in it and what to look at; check_plan.c looks at plans. */
#include "commands.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "case.h"
#include "check_plan.h"
#include "mask.h"
#include "matter.h"
#include "protocol.h"

static const char help[] =
        "usage: spineplan check CASE|PLAN [--json]\n"
        "\n"
        "Reads a case file, checks it and prints the CT, the prescription, the structures with their volumes, and\n"
        "warnings. Ends with status 2 and one sentence when the case cannot be planned on.\n"
        "\n"
        "\n"
        "Of a plan with control points it checks every rule of the machine: leaf gaps, spans and travel, jaws, "
        "monitor\n"
        "units, speeds of leaves and jaws. Ends with status 1 when one is broken.\n"
        "\n"
        "  --machine NAME  a machine or YAML file instead of the plan's own\n"
        "  --mlc NAME      leaves or YAML file instead of the plan's own\n"
        "  --json    the same for machines: ct, prescription, structures, beams, warnings; of a plan: breaches\n"
        "  --help    this text\n"
        "\n"
        "example: spineplan check thoracic.h5\n";

/* What is found out before anything is printed. */
typedef struct {
	sp_case *c;
	double *volume_cc;
	char **warnings;
	size_t n_warnings;
	int least_hu, most_hu;
} findings;

static void findings_finish(findings *f)
{
	free(f->volume_cc);
	free(f->warnings);
	sp_case_destroy(f->c);
}

/* The names that a case leaves to others to know: of materials, and of its protocol. */
static sp_status look_up_names(const sp_case *c, sp_error *err)
{
	const char *protocol = c->prescription.present ? c->prescription.protocol : NULL;
	sp_protocol *p = NULL;
	sp_matter *matter = NULL;
	sp_status st = sp_matter_create(&matter, NULL, err);

	for (size_t i = 0; st == SP_OK && i < c->n_structures; i++)
		if (c->structures[i].material && sp_matter_find(matter, c->structures[i].material) < 0)
			st = sp_fail(err, SP_BAD_INPUT,
			             "%s:/structures/%s material is \"%.60s\", which is none of ours", c->path,
			             c->structures[i].name, c->structures[i].material);
	if (st == SP_OK && protocol && (st = sp_protocol_read(&p, protocol, NULL)) != SP_OK)
		st = sp_fail(err, st, "%s:/prescription protocol is \"%.60s\", expected a shipped one or a YAML file",
		             c->path, protocol);
	sp_protocol_destroy(p);
	sp_matter_destroy(matter);
	return st;
}

static sp_status find_out(findings *f, const char *path, sp_error *err)
{
	sp_status st;
	size_t n;

	if ((st = sp_case_read(&f->c, path, err)) != SP_OK || (st = look_up_names(f->c, err)) != SP_OK ||
	    (st = sp_case_warnings(&f->warnings, &f->n_warnings, f->c, err)) != SP_OK)
		return st;
	if (!(f->volume_cc = sp_alloc_array(f->c->n_structures, sizeof *f->volume_cc)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu structures", f->c->n_structures);
	for (size_t i = 0; i < f->c->n_structures; i++)
		if ((st = sp_structure_volume_cc(&f->volume_cc[i], &f->c->structures[i], &f->c->ct, err)) != SP_OK)
			return st;
	n = sp_grid_voxels(&f->c->ct);
	f->least_hu = f->most_hu = f->c->hu[0];
	for (size_t i = 1; i < n; i++) {
		f->least_hu = f->c->hu[i] < f->least_hu ? f->c->hu[i] : f->least_hu;
		f->most_hu = f->c->hu[i] > f->most_hu ? f->c->hu[i] : f->most_hu;
	}
	return SP_OK;
}

static void print_prescription(const sp_case *c)
{
	const sp_prescription *p = &c->prescription;
	const sp_structure *target = sp_case_target(c);

	fputs("prescription  ", stdout);
	if (!p->present) {
		puts("none");
		return;
	}
	if (p->dose_gy > 0.0)
		printf("%g Gy", p->dose_gy);
	if (p->fractions)
		printf(" in %u fraction%s", p->fractions, p->fractions == 1 ? "" : "s");
	printf("%sto %s", p->dose_gy > 0.0 || p->fractions ? " " : "", target ? target->name : "no target");
	if (p->protocol)
		printf(", protocol %s", p->protocol);
	putchar('\n');
}

static void print_table(const findings *f)
{
	const sp_case *c = f->c;
	const sp_grid *g = &c->ct;

	printf("case          %s\n", c->path);
	printf("ct            %zu x %zu x %zu voxels of %g x %g x %g mm, %s, HU %d to %d\n", g->n[0], g->n[1], g->n[2],
	       g->spacing_mm[0], g->spacing_mm[1], g->spacing_mm[2], c->patient_position, f->least_hu, f->most_hu);
	for (int a = 0; a < 3; a++)
		printf("%s%c %.1f to %.1f mm", a ? ", " : "              ", "xyz"[a], sp_grid_low_edge_mm(g, a),
		       sp_grid_high_edge_mm(g, a));
	putchar('\n');
	print_prescription(c);
	for (size_t i = 0; i < c->n_beams; i++) {
		const sp_case_beam *b = &c->beams[i];

		printf("%-14s%s: gantry %g, collimator %g, couch %g degrees", i ? "" : "beams", b->name, b->gantry_deg,
		       b->collimator_deg, b->couch_deg);
		if (b->has_isocentre)
			printf(", isocentre %.1f %.1f %.1f mm", b->isocentre_mm[0], b->isocentre_mm[1],
			       b->isocentre_mm[2]);
		putchar('\n');
	}
	printf("structures    %-10s %11s  name\n", "role", "volume");
	for (size_t i = 0; i < c->n_structures; i++) {
		const sp_structure *s = &c->structures[i];

		printf("              %-10s %8.2f cc  %s", sp_role_name(s->role), f->volume_cc[i], s->name);
		if (s->material)
			printf(", %s", s->material);
		if (!isnan(s->density_g_cm3))
			printf(", %g g/cm3", s->density_g_cm3);
		putchar('\n');
	}
	for (size_t i = 0; i < f->n_warnings; i++)
		printf("%-14s%s\n", i ? "" : "warnings", f->warnings[i]);
	if (f->n_warnings == 0)
		puts("warnings      none");
}

static json_t *vector_json(const double v[3])
{
	return json_pack("[f,f,f]", v[0], v[1], v[2]);
}

static json_t *prescription_json(const sp_case *c)
{
	const sp_prescription *p = &c->prescription;
	const sp_structure *target = sp_case_target(c);

	if (!p->present)
		return json_null();
	return json_pack("{s:o,s:o,s:s?,s:s?}", "dose_gy", p->dose_gy > 0.0 ? json_real(p->dose_gy) : json_null(),
	                 "fractions", p->fractions ? json_integer(p->fractions) : json_null(), "target",
	                 target ? target->name : NULL, "protocol", p->protocol);
}

static json_t *structures_json(const findings *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->c->n_structures; i++) {
		const sp_structure *s = &f->c->structures[i];

		json_array_append_new(
		        list, json_pack("{s:s,s:s,s:f,s:s,s:s?,s:o}", "name", s->name, "role", sp_role_name(s->role),
		                        "volume_cc", f->volume_cc[i], "kind", s->has_mask ? "mask" : "contours",
		                        "material", s->material, "density_g_cm3",
		                        isnan(s->density_g_cm3) ? json_null() : json_real(s->density_g_cm3)));
	}
	return list;
}

static json_t *beams_json(const sp_case *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_beams; i++) {
		const sp_case_beam *b = &c->beams[i];

		json_array_append_new(list, json_pack("{s:s,s:f,s:f,s:f,s:o}", "name", b->name, "gantry_deg",
		                                      b->gantry_deg, "collimator_deg", b->collimator_deg, "couch_deg",
		                                      b->couch_deg, "isocentre_mm",
		                                      b->has_isocentre ? vector_json(b->isocentre_mm) : json_null()));
	}
	return list;
}

static int print_json(const findings *f)
{
	const sp_case *c = f->c;
	json_t *warnings = json_array(), *all;
	int bad;

	for (size_t i = 0; i < f->n_warnings; i++)
		json_array_append_new(warnings, json_string(f->warnings[i]));
	all = json_pack("{s:s,s:s,s:{s:[I,I,I],s:o,s:o,s:s,s:[i,i]},s:o,s:o,s:o,s:o}", "case", c->path, "sha256",
	                c->sha256, "ct", "size", (json_int_t)c->ct.n[0], (json_int_t)c->ct.n[1], (json_int_t)c->ct.n[2],
	                "spacing_mm", vector_json(c->ct.spacing_mm), "origin_mm", vector_json(c->ct.origin_mm),
	                "patient_position", c->patient_position, "hu_range", f->least_hu, f->most_hu, "prescription",
	                prescription_json(c), "structures", structures_json(f), "beams", beams_json(c), "warnings",
	                warnings);
	bad = !all || json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0 || putchar('\n') == EOF;
	json_decref(all);
	if (bad)
		fputs("spineplan check: cannot print the result\n", stderr);
	return bad ? 2 : 0;
}

int sp_command_check(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
	                                        {"machine", required_argument, NULL, 'm'},
	                                        {"mlc", required_argument, NULL, 'l'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	const char *machine = NULL, *mlc = NULL;
	findings f = {0};
	sp_error err = {0};
	bool json = false, is_plan = false, broken = false;
	int option, status = 0;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0;
		if (option != 'j' && option != 'm' && option != 'l')
			return sp_command_usage("check", "no option %s", argv[optind - 1]);
		if (option == 'm')
			machine = optarg;
		else if (option == 'l')
			mlc = optarg;
		else
			json = true;
	}
	if (argc - optind != 1)
		return sp_command_usage("check", "expected one case file, got %d", argc - optind);
	/* what cannot be opened is said as of a case */
	if (sp_is_plan(&is_plan, argv[optind], NULL) == SP_OK && is_plan) {
		if (sp_check_plan(&broken, argv[optind], machine, mlc, json, &err) != SP_OK)
			return sp_command_fail("check", &err);
		return broken ? 1 : 0;
	}
	if (find_out(&f, argv[optind], &err) != SP_OK)
		status = sp_command_fail("check", &err);
	else if (json)
		status = print_json(&f);
	else
		print_table(&f);
	findings_finish(&f);
	return status;
}
