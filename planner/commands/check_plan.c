#include "check_plan.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery_check.h"
#include "h5.h"
#include "plan_file.h"
#include "plan_machine.h"

sp_status sp_is_plan(bool *out, const char *path, sp_error *err)
{
	sp_h5_in *f = NULL;
	char *format = NULL;
	sp_status st = sp_h5_open(&f, path, err);

	*out = false;
	if (st == SP_OK)
		st = sp_h5_get_text(&format, f, "/", "format", err);
	*out = format && strcmp(format, "spineplan-plan") == 0;
	free(format);
	sp_h5_close(f);
	return st;
}

static void print_table(const char *path, const sp_delivery *d, const sp_machine *machine, const sp_delivery_verdict *v)
{
	printf("plan          %s\n", path);
	printf("machine       %s%s%s\n", machine->name, machine->mlc ? ", leaves " : ", no leaves",
	       machine->mlc ? machine->mlc->name : "");
	for (size_t i = 0; i < d->n_beams; i++)
		printf("%-14s%s: %s, %zu control points, %.1f MU\n", i ? "" : "beams",
		       d->beams[i].name ? d->beams[i].name : "", sp_beam_technique_name(d->beams[i].technique),
		       d->beams[i].n_points, d->beams[i].mu);
	for (size_t i = 0; i < v->n; i++) {
		const sp_breach *b = &v->breaches[i];

		printf("%-14sbeam %zu, control point %zu: %s", sp_rule_name(b->rule), b->beam, b->point, b->text);
		if (b->times > 1)
			printf(" (%zu times)", b->times);
		putchar('\n');
	}
	puts(v->n ? "The machine cannot deliver this plan." : "All rules of the machine hold.");
}

static bool print_json(const char *path, const sp_delivery *d, const sp_machine *machine, const sp_delivery_verdict *v)
{
	json_t *list = json_array(), *all;
	bool good;

	for (size_t i = 0; i < v->n; i++) {
		const sp_breach *b = &v->breaches[i];

		json_array_append_new(
		        list, json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:s}", "rule", sp_rule_name(b->rule), "beam",
		                        (json_int_t)b->beam, "control_point", (json_int_t)b->point, "times",
		                        (json_int_t)b->times, "value", b->value, "limit", b->limit, "text", b->text));
	}
	all = json_pack("{s:s, s:s, s:I, s:f, s:b, s:o}", "plan", path, "machine", machine->name, "beams",
	                (json_int_t)d->n_beams, "mu", sp_delivery_mu(d), "deliverable", v->n == 0, "breaches", list);
	good = all && json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) == 0 && putchar('\n') != EOF;
	json_decref(all);
	return good;
}

/* A machine that is named is taken as it is; else leaves of another program's plan are found by their edges. */
static sp_status find_machine(sp_machine **out, const sp_plan_content *p, const char *path, const char *name,
                              const char *mlc, sp_error *err)
{
	const char *leaves = mlc ? mlc : p->delivery->mlc;
	sp_status st;

	if (!name)
		return sp_plan_machine(out, p, path, NULL, mlc, err);
	st = sp_machine_read(out, name, err);
	return st == SP_OK && leaves ? sp_machine_set_mlc(*out, leaves, err) : st;
}

sp_status sp_check_plan(bool *broken, const char *path, const char *machine_name, const char *mlc, bool json,
                        sp_error *err)
{
	sp_plan_content *p = NULL;
	sp_machine *machine = NULL;
	sp_delivery_verdict v = {0};
	sp_status st = sp_plan_read_beams(&p, path, err);

	if (st == SP_OK && !p->delivery)
		st = sp_fail(err, SP_BAD_INPUT, "%s has no control points: a fluence plan cannot be delivered", path);
	if (st != SP_OK || (st = find_machine(&machine, p, path, machine_name, mlc, err)) != SP_OK ||
	    (st = sp_delivery_judge(&v, p->delivery, machine, err)) != SP_OK)
		goto cleanup;
	*broken = v.n > 0;
	if (!json)
		print_table(path, p->delivery, machine, &v);
	else if (!print_json(path, p->delivery, machine, &v))
		st = sp_fail(err, SP_IO, "cannot print the result");
cleanup:
	sp_delivery_verdict_finish(&v);
	sp_machine_destroy(machine);
	sp_plan_content_destroy(p);
	return st;
}
