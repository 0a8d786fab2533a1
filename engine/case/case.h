/* The case: a patient's CT, contours, prescription and (optionally) beams, as docs/case-format.md describes.
 * Positions are DICOM patient coordinates (LPS, mm). */
#ifndef SP_CASE_H
#define SP_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "grid.h"
#include "status.h"

#define SP_CASE_VERSION 1

typedef enum {
	SP_ROLE_EXTERNAL, /* the body outline */
	SP_ROLE_GTV,
	SP_ROLE_CTV,
	SP_ROLE_PTV,
	SP_ROLE_CORD,
	SP_ROLE_PRV, /* planning risk volume of the cord (or sac) */
	SP_ROLE_ORGAN,
	SP_ROLE_HARDWARE,
	SP_ROLE_SUPPORT, /* couch and the like: outside the body, but in the beam */
	SP_ROLE_SECTOR,  /* a part of a vertebra, to be looked at: not planned on and not judged */
	SP_ROLE_COUNT
} sp_role;

/* A structure's voxels on the CT grid, cropped to their bounding box: n[0]*n[1]*n[2] bytes, 0 or 1, [z][y][x]. */
typedef struct {
	size_t first[3], n[3];
	uint8_t *in;
} sp_mask_box;

/* Either polygons (even-odd rule within a slice) or a mask, never both. */
typedef struct {
	char *name;
	sp_role role;
	bool has_colour;
	uint8_t colour[3]; /* RGB */
	size_t n_polygons;
	double *points_mm; /* x, y, z of each point; offsets[n_polygons] points */
	uint64_t *offsets; /* first point of each closed polygon, n_polygons + 1 */
	bool has_mask;
	sp_mask_box mask;
	double density_g_cm3; /* override of mass density, NAN for none */
	char *material;       /* override of material (a name of engine/matter), NULL for none */
} sp_structure;

typedef struct {
	bool present;
	double dose_gy;     /* whole course; 0 (only with a protocol): the protocol's */
	unsigned fractions; /* 0 (only with a protocol): the protocol's */
	char *target;       /* structure name; NULL: the PTV, else CTV, else GTV */
	char *protocol;     /* protocol name, NULL for none */
	char *boost;        /* structure that gets boost_gy at the same time (a part of the target), NULL for none */
	double boost_gy;    /* whole course */
} sp_prescription;

typedef struct {
	char *name;
	double gantry_deg, collimator_deg, couch_deg; /* IEC 61217 */
	bool has_isocentre;
	double isocentre_mm[3];
} sp_case_beam;

typedef struct {
	char *path;               /* where it was read from, or NULL */
	char sha256[65];          /* of the file, "" if made in memory */
	char patient_position[8]; /* "HFS" and the like */
	sp_grid ct;
	int16_t *hu; /* [z][y][x] */
	size_t n_structures;
	sp_structure *structures;
	sp_prescription prescription;
	size_t n_beams;
	sp_case_beam *beams;
	char *targets; /* JSON: how the targets were made (docs/targets.md), or NULL */
} sp_case;

/* Reads and checks a case. SP_BAD_INPUT names the HDF5 path, what was found and what was expected. */
sp_status sp_case_read(sp_case **out, const char *path, sp_error *err);

/* Writes a case atomically (chunked and compressed). */
sp_status sp_case_write(const sp_case *c, const char *path, sp_error *err);

/* What sp_case_read checks, for a case that was made in memory. */
sp_status sp_case_check(const sp_case *c, sp_error *err);

/* What is allowed but a user should know (a contour outside the CT, a target that overlaps the cord ...): *n_out
 * sentences in one allocation, free(*out). */
sp_status sp_case_warnings(char ***out, size_t *n_out, const sp_case *c, sp_error *err);

void sp_case_destroy(sp_case *c);

/* An empty case with a CT of the given grid filled with hu. */
sp_status sp_case_create(sp_case **out, const sp_grid *ct, int16_t hu, sp_error *err);

/* Appends an empty structure (name copied) and returns it in *out; the pointer is valid until the next append. */
sp_status sp_case_add_structure(sp_structure **out, sp_case *c, const char *name, sp_role role, sp_error *err);

/* Takes the structure of that name (exact) out; nothing where there is none. Pointers to structures become invalid. */
void sp_case_remove_structure(sp_case *c, const char *name);

/* Appends one closed polygon of n points (x, y, z in mm; one z) to a structure. */
sp_status sp_structure_add_polygon(sp_structure *s, const double (*points_mm)[3], size_t n, sp_error *err);

/* The structure of that name (exact), or the first of a role; NULL if there is none. */
const sp_structure *sp_case_find(const sp_case *c, const char *name);
const sp_structure *sp_case_find_role(const sp_case *c, sp_role role);

/* The structure the prescription is for (see sp_prescription.target); NULL if there is none. */
const sp_structure *sp_case_target(const sp_case *c);

/* The structure of the prescription's boost; NULL without one. */
const sp_structure *sp_case_boost(const sp_case *c);

/* "external", "gtv", ... and back; sp_role_parse returns SP_ROLE_COUNT for an unknown word. */
const char *sp_role_name(sp_role role);
sp_role sp_role_parse(const char *word);

#endif
