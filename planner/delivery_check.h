/* Whether a machine can do what a plan of control points tells it: every rule of the drives, beam by beam, from the
 * plan and the machine's file alone. It shares no code with what makes plans (planner/deliver). docs/delivery.md lists
 * the rules. */
#ifndef SP_DELIVERY_CHECK_H
#define SP_DELIVERY_CHECK_H

#include "delivery.h"
#include "machine.h"

typedef enum {
	SP_RULE_LEAVES,     /* the plan's leaves are the machine's */
	SP_RULE_GAP,        /* least gap of opposed leaves that move */
	SP_RULE_SPAN,       /* leaves of a bank lie near enough to each other */
	SP_RULE_OVERTRAVEL, /* leaves past the axis, and drawn back */
	SP_RULE_JAWS,       /* jaws past the axis, largest field */
	SP_RULE_MU,         /* from 0, never falling, sums, rounding, least MU of a step */
	SP_RULE_MU_PER_DEGREE,
	SP_RULE_LEAF_SPEED,
	SP_RULE_JAW_SPEED,
	SP_RULE_TURN,   /* gantry within its range and one way, angles that stand still where they have to */
	SP_RULE_POINTS, /* number of control points */
	SP_RULE_COUNT
} sp_rule;

const char *sp_rule_name(sp_rule rule);

/* A breach: the worst of its rule in a beam. */
typedef struct {
	sp_rule rule;
	size_t beam, point, times; /* point: of the worst; times: how often in this beam */
	double value, limit;
	char text[160];
} sp_breach;

typedef struct {
	size_t n;
	sp_breach *breaches;
} sp_delivery_verdict;

/* machine: with the plan's leaves set. Only failures to judge are failures. */
sp_status sp_delivery_judge(sp_delivery_verdict *out, const sp_delivery *d, const sp_machine *machine, sp_error *err);
void sp_delivery_verdict_finish(sp_delivery_verdict *v);

#endif
