#include "sectors.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const char *const names[SP_PART_COUNT] = {"body",
                                                 "left pedicle",
                                                 "left transverse process",
                                                 "left lamina",
                                                 "spinous process",
                                                 "right lamina",
                                                 "right transverse process",
                                                 "right pedicle"};
static const int sectors[SP_PART_COUNT] = {1, 2, 3, 3, 4, 5, 5, 6};

/* Where the pedicle ends and the arch begins, as a share of the canal's depth. */
#define PEDICLE_SHARE (2.0 / 3.0)

/* The spinous process and what of the laminae meets in front of it, as a share of the canal's half width. */
#define SPINOUS_SHARE 0.5

const char *sp_part_name(sp_part part)
{
	return names[part];
}

int sp_part_sector(sp_part part)
{
	return sectors[part];
}

static bool same_word(const char *a, const char *b)
{
	while (*a && *b && (tolower((unsigned char)*a) == *b || (strchr("-_", *a) && *b == ' ')))
		a++, b++;
	return !*a && !*b;
}

unsigned sp_parts_parse(const char *word)
{
	unsigned bits = 0;

	for (int i = 0; i < SP_PART_COUNT; i++)
		if (same_word(word, names[i]) || (word[0] == '0' + sectors[i] && !word[1]))
			bits |= 1u << i;
	return bits;
}

sp_part sp_part_at(const sp_vertebra_frame *f, const double p[3])
{
	double q[3], side;

	sp_vertebra_coordinates(q, f, p);
	side = fabs(q[0]);
	if (q[1] < f->front_mm)
		return SP_PART_BODY;
	if (q[1] < f->front_mm + PEDICLE_SHARE * (f->rear_mm - f->front_mm))
		return q[0] > 0.0 ? SP_PART_PEDICLE_L : SP_PART_PEDICLE_R;
	if (side <= SPINOUS_SHARE * f->half_width_mm)
		return SP_PART_SPINOUS;
	if (side <= f->half_width_mm)
		return q[0] > 0.0 ? SP_PART_LAMINA_L : SP_PART_LAMINA_R;
	return q[0] > 0.0 ? SP_PART_TRANSVERSE_L : SP_PART_TRANSVERSE_R;
}
