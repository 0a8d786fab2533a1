#include "plan_machine.h"

#include <string.h>

#include "delivery_dose.h"

/* option: that names what to take instead. */
static sp_status check_same(const sp_plan_content *p, const char *path, const char *key, const char *name,
                            const char *found_sha256, const char *option, sp_error *err)
{
	const char *made_with = json_string_value(json_object_get(p->provenance, key));

	if (!made_with || strcmp(made_with, found_sha256) == 0)
		return SP_OK;
	return sp_fail(
	        err, SP_BAD_INPUT,
	        "%s was made with another file than the '%s' found now (SHA-256 %.12s..., now %.12s...): name that "
	        "file by %s, or take the one found by %s %s",
	        path, name, made_with, found_sha256, option, option, name);
}

sp_status sp_plan_machine(sp_machine **out, const sp_plan_content *p, const char *path, const char *machine,
                          const char *mlc, sp_error *err)
{
	const sp_delivery *d = p ? p->delivery : NULL;
	const char *named = p && p->machine ? p->machine : "generic-6mv";
	sp_machine *m = NULL;
	sp_status st =
	        d ? sp_delivery_machine(&m, d, machine, mlc, err) : sp_machine_read(&m, machine ? machine : named, err);

	*out = NULL;
	if (st == SP_OK && p && !machine)
		st = check_same(p, path, "machine_sha256", m->name, m->sha256, "--machine", err);
	if (st == SP_OK && d && !mlc && m->mlc)
		st = check_same(p, path, "leaves_sha256", m->mlc->name, m->mlc->sha256, "--mlc", err);
	if (st == SP_OK)
		*out = m;
	else
		sp_machine_destroy(m);
	return st;
}
