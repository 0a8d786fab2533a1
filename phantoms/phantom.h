/* Cases made by program: simple blocks for physics checks and anatomical spines for planning. docs/phantoms.md
 * describes each with its sizes and their sources. One file a phantom; phantom.c holds the list. */
#ifndef SP_PHANTOM_H
#define SP_PHANTOM_H

#include <stdbool.h>
#include <stdint.h>

#include "case.h"

#define SP_PHANTOM_MAX_PARTS 64

/* A slab (thickness along z) or, with `is_box`, a box low..high that replaces what the slabs have put there. */
typedef struct {
	char material[64]; /* as engine/matter knows it ("lung", "titanium", ...) */
	double thickness_mm;
	double density_g_cm3; /* 0: the material's nominal density */
	bool is_box;
	double low_mm[3], high_mm[3];
} sp_phantom_part;

typedef enum { SP_METAL_TITANIUM, SP_METAL_COBALT_CHROME } sp_phantom_metal;
typedef enum { SP_CAGE_NONE, SP_CAGE_PEEK, SP_CAGE_TITANIUM } sp_phantom_cage;

/* Which options a phantom knows; a set bit in sp_phantom_options.given means that the user gave it. */
enum {
	SP_PHANTOM_VOXEL = 1 << 0,
	SP_PHANTOM_NOISE = 1 << 1,
	SP_PHANTOM_SEED = 1 << 2,
	SP_PHANTOM_SIZE = 1 << 3,
	SP_PHANTOM_LAYER = 1 << 4,
	SP_PHANTOM_BOX = 1 << 5,
	SP_PHANTOM_GRADE = 1 << 6,
	SP_PHANTOM_HARDWARE = 1 << 7,
	SP_PHANTOM_CAGE = 1 << 8
};

typedef struct {
	unsigned given; /* SP_PHANTOM_... bits; what is not given takes the phantom's default */
	double voxel_mm[3];
	double noise_hu; /* standard deviation */
	uint64_t seed;
	double size_mm[3]; /* slabs use x and y only */
	size_t n_parts;    /* in the order given; later boxes win */
	sp_phantom_part parts[SP_PHANTOM_MAX_PARTS];
	int epidural_grade; /* Bilsky: 0 bone only, 1 (1b) sac deformed, 2 cord pressed, 3 no fluid visible */
	sp_phantom_metal hardware;
	sp_phantom_cage cage;
} sp_phantom_options;

typedef struct {
	const char *name, *summary;
	unsigned options; /* SP_PHANTOM_... bits that it understands */
	sp_status (*make)(sp_case **out, const sp_phantom_options *o, sp_error *err);
} sp_phantom;

/* All phantoms, ended by an entry with a NULL name. */
const sp_phantom *sp_phantom_list(void);

/* The phantom called name, or NULL. */
const sp_phantom *sp_phantom_find(const char *name);

/* Makes a case; SP_BAD_INPUT for an unknown name, an option that the phantom does not know, or a value that it cannot
 * make, with a sentence that says which. The same options give the same case to the last bit. */
sp_status sp_phantom_make(sp_case **out, const char *name, const sp_phantom_options *o, sp_error *err);

/* "titanium:10" or "lung:100:0.25" (material, thickness, and density if not the nominal one) as a layer, and
 * "titanium:x0,x1,y0,y1,z0,z1" as a box. */
sp_status sp_phantom_parse_layer(sp_phantom_part *out, const char *text, sp_error *err);
sp_status sp_phantom_parse_box(sp_phantom_part *out, const char *text, sp_error *err);

#endif
