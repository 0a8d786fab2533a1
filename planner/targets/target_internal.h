/* What the files that make targets share. */
#ifndef SP_TARGET_INTERNAL_H
#define SP_TARGET_INTERNAL_H

#include "consensus.h"
#include "epidural.h"
#include "targets.h"

typedef struct {
	const sp_structure *bone; /* borrowed; drawn before the operation where such a contour is given */
	char name[201], level[4]; /* level: "T08", or "" */
	float *bone_share;
	sp_vertebra_frame frame;
	sp_involvement involvement;
	sp_consensus decision;
} sp_target_vertebra;

typedef struct {
	sp_case *c;
	const sp_target_options *o;
	const sp_structure **gtv, *canal, *sac, *cord,
	        *barrier;                 /* barrier: what no target enters, the sac or the cord */
	size_t n_gtv, n_now, n_vertebrae; /* the first n_now of gtv are there now, the rest was found before surgery */
	sp_target_vertebra *vertebrae;
	sp_grid grid;
	size_t cuts;
	float *tumour, *tumour_now, *canal_share, *level, *scratch;
	sp_epidural epidural;
	size_t main_vertebra; /* the one with the most tumour */
	json_t *made;
	sp_error *err;
} sp_targets;

/* Finds what the options name, or what names say; sentences for what is missing. */
sp_status sp_target_find_structures(sp_targets *t);

/* Frame, shares and decision of one vertebra; adds its included bone to t->level. */
sp_status sp_target_decide_vertebra(sp_targets *t, sp_target_vertebra *v);

/* Every word of --include and --exclude must have named a part of a vertebra in question. */
sp_status sp_target_check_words(const sp_targets *t);

sp_status sp_target_measure_canal(sp_targets *t);

/* Adds to t->level the canal beside the tumour in it, for canal_extension_mm up and down. */
sp_status sp_target_extend_canal(sp_targets *t);

sp_status sp_target_draw_sectors(sp_targets *t);

/* What was decided; the structures made come with sp_target_keep_record, which also keeps it in the case. */
sp_status sp_target_record(json_t **out, const sp_targets *t);
sp_status sp_target_keep_record(json_t *record, sp_targets *t);

/* Notes a structure that was made, with its volume and how. */
sp_status sp_target_made(json_t *made, const sp_case *c, const char *name, const char *how, sp_error *err);

#endif
