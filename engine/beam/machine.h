/* The treatment machine: a YAML file, or one of those shipped with the program by name ("generic-6mv"). */
#ifndef SP_MACHINE_H
#define SP_MACHINE_H

#include "mlc.h"
#include "status.h"

/* What the machine's drives can do. Jaw positions are those in the isocentre plane. */
typedef struct {
	double gantry_speed_deg_s, collimator_speed_deg_s, couch_speed_deg_s, jaw_speed_mm_s;
	double max_dose_rate_mu_min;
	double min_mu_per_degree, max_mu_per_degree; /* of an arc */
	double min_mu_per_control_point;             /* of a field that does not move, or a step of it */
	double jaw_overtravel_mm[2];                 /* how far an X and a Y jaw go past the axis */
	double max_field_mm[2];                      /* X1 to X2, Y1 to Y2 */
	double mu_rounding;                          /* monitor units of a beam are multiples of this */
	unsigned max_control_points;                 /* of a beam */
} sp_machine_limits;

/* Jaws: distance from the source to the edge that casts the shadow. */
typedef struct {
	double x_distance_mm, y_distance_mm, transmission;
} sp_machine_jaws;

/* Where 1 MU gives gy_per_mu: water, square field (its side in the isocentre plane), on the axis. */
typedef struct {
	double ssd_mm, depth_mm, field_mm, gy_per_mu;
} sp_machine_reference;

/* Bremsstrahlung of a target behind tungsten and aluminium (Ali and Rogers, Phys. Med. Biol. 57 (2012) 31, eq. 12):
 * energy fluence by energy, x = E / electron_mev,
 *     (1 + shape x + x^2) (ln(electron_mev (electron_mev - E) / E + 1.65) - 0.5) exp(-tungsten mu_W - aluminium mu_Al)
 */
typedef struct {
	double electron_mev, shape, tungsten_g_cm2, aluminium_g_cm2;
} sp_machine_spectrum;

/* Photons scattered in the head (primary collimator, flattening filter): a Gaussian source below the target. */
typedef struct {
	double distance_mm, sigma_mm;
	double share;           /* of the target's fluence on the axis, where nothing shades the source */
	double aluminium_g_cm2; /* harder (or softer, below 0) than the axis' spectrum by this much filter */
} sp_machine_extra_focal;

/* Electrons that contaminate the beam: a Gaussian source too, energies spread as exp(-T / mean_mev). */
typedef struct {
	double distance_mm, sigma_mm;
	double share; /* electrons over the target's photons on the axis, by fluence, where nothing shades the source */
	double mean_mev;
} sp_machine_electrons;

/* What leaves the head in an open field. radius: in the isocentre plane, ascending from 0. */
typedef struct {
	sp_machine_spectrum spectrum; /* on the axis */
	double *radius_mm;
	double *fluence;                          /* photons per area in that plane over those on the axis */
	double *softening_g_cm2;                  /* of aluminium that the spectrum lacks against that on the axis */
	unsigned n_radii, n_fluence, n_softening; /* all the same */
	sp_machine_extra_focal extra_focal;
	sp_machine_electrons electrons;
	double output_per_mm; /* what a monitor unit grows by, relative, for each mm that the Y jaws open more than in
	                         the reference field: less is scattered back into the monitor chamber */
} sp_machine_source;

/* What one machine's leaves have of their own, in place of the leaf file's row. */
typedef struct {
	double transmission, leaf_gap_mm;
} sp_machine_leaves;

typedef struct {
	char *name;
	double energy_mv;
	int flattened; /* 1: with flattening filter */
	double sad_mm;
	double source_fwhm_mm[2];  /* focal spot, x and y */
	double collimator_mm;      /* distance from the source to the edge that shapes the field */
	char *kernel;              /* name of the pencil kernel table (engine/pencil/kernels), or "superposed" */
	double fluence_per_mu_cm2; /* photons per cm2 in the isocentre plane in air for 1 MU, open field, on the axis */
	double pencil_output;      /* what the pencil beam's dose of control points is multiplied by */
	char *mlc_name;            /* of the leaf file; NULL: the machine has jaws only */
	sp_machine_leaves *leaves; /* NULL: as the leaf file says; other leaves (sp_machine_set_mlc) keep their own */
	sp_mlc *mlc;               /* for this machine's beam; NULL: jaws only */
	sp_machine_source source;
	sp_machine_jaws jaws;
	sp_machine_limits limits;
	sp_machine_reference reference;
	char sha256[65];                  /* of the file; leaves that it names have their own */
	struct sp_superposer *superposer; /* borrowed, or NULL: spares time where many kernels are superposed */
} sp_machine;

/* name_or_path: a shipped machine's name, or a path to a YAML file. Errors name the file, the key, what was found. */
sp_status sp_machine_read(sp_machine **out, const char *name_or_path, sp_error *err);

/* What a monitor unit is worth with the jaws at X1, X2, Y1, Y2 over that in the reference field, but for the
 * extra-focal source. */
double sp_machine_output(const sp_machine *m, const double jaws_mm[4]);

/* Gives the machine other leaves. */
sp_status sp_machine_set_mlc(sp_machine *m, const char *name_or_path, sp_error *err);

/* Writes a machine file that sp_machine_read reads back the same but for the last of six digits. about: what is known
 * of its origin, a few lines without '#', or NULL. */
sp_status sp_machine_write(const sp_machine *m, const char *about, const char *path, sp_error *err);

void sp_machine_destroy(sp_machine *m);

#endif
