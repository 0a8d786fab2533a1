/* What was decided and why, as JSON: for the report, for people, and to be changed. */
#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "mask.h"
#include "target_internal.h"

static json_t *rounded(double x, double scale)
{
	return isfinite(x) ? json_real(round(x * scale) / scale) : json_null();
}

static json_t *parts_json(const sp_target_vertebra *v)
{
	json_t *list = json_array();

	for (int i = 0; i < SP_PART_COUNT; i++) {
		double bone = v->involvement.bone_cc[i], tumour = v->involvement.tumour_cc[i];

		json_array_append_new(
		        list, json_pack("{s:s, s:i, s:o, s:o, s:o, s:b, s:b, s:b, s:s}", "part",
		                        sp_part_name((sp_part)i), "sector", sp_part_sector((sp_part)i), "bone_cc",
		                        rounded(bone, 100.0), "tumour_cc", rounded(tumour, 1000.0), "tumour_percent",
		                        rounded(bone > 0.0 ? 100.0 * tumour / bone : 0.0, 10.0), "involved",
		                        (int)(v->decision.involved >> i & 1u), "close_call",
		                        (int)(v->decision.near_threshold >> i & 1u), "included",
		                        (int)(v->decision.included >> i & 1u), "why", v->decision.reason[i]));
	}
	return list;
}

static json_t *vertebra_json(const sp_target_vertebra *v)
{
	const sp_vertebra_frame *f = &v->frame;
	const sp_consensus *d = &v->decision;
	double tilt = acos(fmin(fabs(f->up[2]), 1.0)) * 180.0 / M_PI;
	double turn = atan2(f->back[0], f->back[1]) * 180.0 / M_PI;

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:{s:[f,f,f], s:o, s:o, s:o, s:o, s:o, s:b}}", "structure",
	                 v->name, "level", v->level, "tumour_in_body",
	                 !(d->involved & 1u) ? "none"
	                 : d->body_diffuse   ? "throughout"
	                 : d->body_left      ? "to the left"
	                 : d->body_right     ? "to the right"
	                                     : "in a part, not to one side",
	                 "ring_round_cord", (int)d->ring, "arch_behind_canal", (int)f->has_rear, "parts", parts_json(v),
	                 "frame", "canal_centre_mm", round(f->centre_mm[0] * 10.0) / 10.0,
	                 round(f->centre_mm[1] * 10.0) / 10.0, round(f->centre_mm[2] * 10.0) / 10.0, "canal_width_mm",
	                 rounded(2.0 * f->half_width_mm, 10.0), "canal_depth_mm",
	                 rounded(f->rear_mm - f->front_mm, 10.0), "body_height_mm", rounded(f->body_mm, 10.0),
	                 "tilt_degrees", rounded(tilt, 10.0), "turn_degrees", rounded(turn, 10.0), "both_pedicles",
	                 (int)(f->has_left && f->has_right));
}

sp_status sp_target_record(json_t **out, const sp_targets *t)
{
	const char *rule = t->o->postoperative
	                           ? "Redmond KJ, et al. Int J Radiat Oncol Biol Phys 2017;97:64-74 (after surgery)"
	                           : "Cox BW, et al. Int J Radiat Oncol Biol Phys 2012;83:e597-e605 (intact spine)";
	json_t *vertebrae = json_array(), *gtv = json_array();

	for (size_t i = 0; i < t->n_vertebrae; i++)
		json_array_append_new(vertebrae, vertebra_json(&t->vertebrae[i]));
	for (size_t i = 0; i < t->n_gtv; i++)
		json_array_append_new(gtv, json_string(t->gtv[i]->name));
	*out = json_pack("{s:s, s:s, s:o, s:s, s:s?, s:o, s:o, s:o}", "rule",
	                 t->o->postoperative ? "postoperative" : "intact", "source", rule, "tumour", gtv, "round",
	                 t->canal->name, "kept_out_of", t->barrier ? t->barrier->name : NULL, "vertebrae", vertebrae,
	                 "epidural", sp_epidural_json(&t->epidural), "notes", json_array());
	if (!*out)
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory recording the targets");
	if (t->o->postoperative && !t->o->preop_gtv)
		json_array_append_new(
		        json_object_get(*out, "notes"),
		        json_string("No tumour from before the operation is given: the rule looked at what is "
		                    "left, which is less than the consensus asks for."));
	if (!t->sac)
		json_array_append_new(json_object_get(*out, "notes"),
		                      json_string("No thecal sac is drawn: contact and compression are not measured."));
	return SP_OK;
}

sp_status sp_target_made(json_t *made, const sp_case *c, const char *name, const char *how, sp_error *err)
{
	const sp_structure *s = sp_case_find(c, name);
	double cc = 0.0;
	sp_status st = s ? sp_structure_volume_cc(&cc, s, &c->ct, err) : SP_OK;

	if (st == SP_OK && json_array_append_new(made, json_pack("{s:s, s:o, s:s}", "name", name, "volume_cc",
	                                                         rounded(cc, 100.0), "how", how)) != 0)
		st = sp_fail(err, SP_NO_MEMORY, "out of memory recording the targets");
	return st;
}

sp_status sp_target_keep_record(json_t *record, sp_targets *t)
{
	char *text;

	json_object_set(record, "made", t->made);
	if (!(text = json_dumps(record, JSON_INDENT(1) | JSON_REAL_PRECISION(10))))
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory recording the targets");
	free(t->c->targets);
	t->c->targets = sp_copy_text(text);
	free(text);
	return t->c->targets ? SP_OK : sp_fail(t->err, SP_NO_MEMORY, "out of memory recording the targets");
}
