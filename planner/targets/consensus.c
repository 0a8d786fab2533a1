#include "consensus.h"

#include <math.h>
#include <string.h>

#define BIT(part) (1u << (part))
#define PEDICLES (BIT(SP_PART_PEDICLE_L) | BIT(SP_PART_PEDICLE_R))
#define LAMINAE (BIT(SP_PART_LAMINA_L) | BIT(SP_PART_LAMINA_R))

#define PART_SHARE 0.10
#define PART_CC 0.2
#define DIFFUSE_SHARE 0.5
#define DIFFUSE_SIDE 0.3
#define ONE_SIDE 0.75

static void include(sp_consensus *c, unsigned parts, const char *why)
{
	for (int i = 0; i < SP_PART_COUNT; i++)
		if (parts & BIT(i) & ~c->included)
			c->reason[i] = why;
	c->included |= parts;
}

static bool has(const sp_consensus *c, unsigned parts)
{
	return (c->involved & parts) == parts;
}

static void find_involved(sp_consensus *c, const sp_involvement *in)
{
	double largest = 0.0;
	int fullest = -1;

	for (int i = 0; i < SP_PART_COUNT; i++) {
		double share = in->bone_cc[i] > 0.0 ? in->tumour_cc[i] / in->bone_cc[i] : 0.0;
		double reach = fmax(i == SP_PART_BODY ? 0.0 : share / PART_SHARE, in->tumour_cc[i] / PART_CC);

		if (reach >= 1.0)
			c->involved |= BIT(i);
		if (reach > 0.4 && reach < 2.0)
			c->near_threshold |= BIT(i);
		if (in->tumour_cc[i] > largest) {
			largest = in->tumour_cc[i];
			fullest = i;
		}
	}
	if (!c->involved && fullest >= 0) { /* a tumour smaller than any threshold still sits somewhere */
		c->involved |= BIT(fullest);
		c->near_threshold |= BIT(fullest);
	}
}

static void look_at_body(sp_consensus *c, const sp_involvement *in)
{
	double tumour = in->tumour_cc[SP_PART_BODY], left;

	if (!(c->involved & BIT(SP_PART_BODY)) || !(tumour > 0.0))
		return;
	left = in->body_left_cc / tumour;
	c->body_diffuse = tumour >= DIFFUSE_SHARE * in->bone_cc[SP_PART_BODY] && fmin(left, 1.0 - left) >= DIFFUSE_SIDE;
	c->body_left = !c->body_diffuse && left >= ONE_SIDE;
	c->body_right = !c->body_diffuse && left <= 1.0 - ONE_SIDE;
}

/* The rows of the table for one side. */
static void decide_side(sp_consensus *c, bool left)
{
	unsigned pedicle = left ? BIT(SP_PART_PEDICLE_L) : BIT(SP_PART_PEDICLE_R);
	unsigned transverse = left ? BIT(SP_PART_TRANSVERSE_L) : BIT(SP_PART_TRANSVERSE_R);
	unsigned lamina = left ? BIT(SP_PART_LAMINA_L) : BIT(SP_PART_LAMINA_R);

	if (c->body_diffuse)
		include(c, pedicle | transverse,
		        "tumour throughout the body: pedicles and transverse processes of both sides");
	if (left ? c->body_left : c->body_right)
		include(c, pedicle | transverse, "tumour in the body on this side: its pedicle and transverse process");
	if (has(c, pedicle))
		include(c, transverse | lamina, "tumour in this side's pedicle: its transverse process and lamina");
	if (has(c, transverse))
		include(c, pedicle | lamina, "tumour in this side's transverse process: its pedicle and lamina");
	if (has(c, lamina))
		include(c, pedicle | transverse | BIT(SP_PART_SPINOUS),
		        "tumour in a lamina: pedicle and transverse process of that side, and the spinous process");
}

static bool is_ring(unsigned parts)
{
	return (parts & BIT(SP_PART_BODY)) && (parts & PEDICLES) == PEDICLES && (parts & LAMINAE) == LAMINAE &&
	       (parts & BIT(SP_PART_SPINOUS));
}

/* A ring only where the tumour is one: body, pedicles or laminae of both sides, and the spinous process. */
static void open_ring(sp_consensus *c)
{
	bool tumour_is_ring = has(c, BIT(SP_PART_BODY) | BIT(SP_PART_SPINOUS)) && (has(c, PEDICLES) || has(c, LAMINAE));
	static const sp_part order[] = {SP_PART_SPINOUS, SP_PART_PEDICLE_L, SP_PART_PEDICLE_R, SP_PART_LAMINA_L,
	                                SP_PART_LAMINA_R};

	if (!is_ring(c->included) || tumour_is_ring)
		return;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (!has(c, BIT(order[i]))) {
			c->included &= ~BIT(order[i]);
			c->reason[order[i]] = "left out: without tumour in it, so that no ring closes round the cord";
			return;
		}
}

void sp_consensus_decide(sp_consensus *out, const sp_involvement *in)
{
	*out = (sp_consensus){0};
	for (int i = 0; i < SP_PART_COUNT; i++)
		out->reason[i] = "no tumour in it, and no neighbour asks for it";
	find_involved(out, in);
	look_at_body(out, in);
	include(out, out->involved, "tumour in it");
	if (out->involved & BIT(SP_PART_BODY))
		out->reason[SP_PART_BODY] = "tumour in the body: the whole of it";
	decide_side(out, true);
	decide_side(out, false);
	if (has(out, BIT(SP_PART_SPINOUS)))
		include(out, LAMINAE, "tumour in the spinous process: both laminae");
	open_ring(out);
	out->ring = is_ring(out->included);
}

void sp_consensus_override(sp_consensus *c, unsigned include_parts, unsigned exclude_parts)
{
	for (int i = 0; i < SP_PART_COUNT; i++) {
		if (include_parts & BIT(i))
			c->reason[i] = "included by hand";
		if (exclude_parts & BIT(i))
			c->reason[i] = "excluded by hand";
	}
	c->included = (c->included | include_parts) & ~exclude_parts;
	c->ring = is_ring(c->included);
}
