/* The options that describe an earlier course, shared by commands: --earlier and what belongs to it. */
#ifndef SP_EARLIER_OPTION_H
#define SP_EARLIER_OPTION_H

#include <stdbool.h>

#include "earlier_dose.h"

enum {
	SP_OPTION_EARLIER = 0x1000,
	SP_OPTION_EARLIER_FRACTIONS,
	SP_OPTION_EARLIER_TRANSFORM,
	SP_OPTION_RECOVERY,
	SP_OPTION_TOTAL_EQD2,
	SP_OPTION_MONTHS
};

/* Entries for getopt_long's table. */
#define SP_EARLIER_LONG_OPTIONS                                                              \
	{"earlier", required_argument, NULL, SP_OPTION_EARLIER},                             \
	        {"earlier-fractions", required_argument, NULL, SP_OPTION_EARLIER_FRACTIONS}, \
	        {"earlier-transform", required_argument, NULL, SP_OPTION_EARLIER_TRANSFORM}, \
	        {"recovery", required_argument, NULL, SP_OPTION_RECOVERY},                   \
	        {"total-eqd2-gy", required_argument, NULL, SP_OPTION_TOTAL_EQD2},            \
	{                                                                                    \
		"months", required_argument, NULL, SP_OPTION_MONTHS                          \
	}

#define SP_EARLIER_HELP                                                                                                \
	"      --earlier FILE     dose of an earlier course (a plan, a dose, scripts/rtdose2h5 of an RTDOSE): cord, "  \
	"PRV and\n"                                                                                                    \
	"                         sac keep in every voxel what it leaves; docs/reirradiation.md\n"                     \
	"      --earlier-fractions N  of that course (needed)\n"                                                       \
	"      --earlier-transform F  16 numbers: the rigid 4 x 4 matrix from its frame to this case's (default: the " \
	"same)\n"                                                                                                      \
	"      --recovery P       share of the earlier dose that no longer counts, as 25% (default: none)\n"           \
	"      --total-eqd2-gy D  of both courses at the cord, alpha/beta 2 (default 70)\n"                            \
	"      --months M         between the courses, for the rule that asks for 5\n"

/* What nobody has said. */
#define SP_EARLIER_DEFAULTS                                      \
	{                                                        \
		.total_eqd2_gy = SP_TOTAL_EQD2_GY, .months = NAN \
	}

/* Takes an option of the above; *good = false: its value is wrong. Returns false for another's option. */
bool sp_earlier_option(sp_earlier_options *o, int option, const char *value, bool *good);

/* NULL, or what is missing. */
const char *sp_earlier_incomplete(const sp_earlier_options *o);

#endif
