/* A machine's head as the source of Monte Carlo: a delivery's control points, drawn by monitor units. The model is
 * cl_kernels/mc_machine.h; equations: docs/physics.md. */
#ifndef SP_MC_HEAD_H
#define SP_MC_HEAD_H

#include "delivery.h"
#include "machine.h"
#include "matter.h"
#include "mc.h"
#include "shared/mc_head.h"

/* What the device needs, with the isocentres (LPS, mm) beside: where the geometry lies is known later. */
struct sp_mc_head_source {
	sp_mc_head head;
	size_t n_intervals, n_numbers, n_spectra, n_openings;
	sp_mc_interval *intervals;
	double *isocentres_mm; /* 3 an interval */
	float *numbers;
	sp_spectrum *spectra; /* by radius, and the extra-focal source's */
	sp_mc_opening *openings;
	double particles; /* that one fraction's dose is for */
};

/* machine: its leaves have to be those of the delivery. Openings without monitor units or area are left out;
 * SP_BAD_INPUT when none is left. */
sp_status sp_mc_head_make(sp_mc_head_source *out, const sp_machine *machine, const sp_delivery *delivery,
                          const char *patient_position, const sp_matter *matter, sp_error *err);
void sp_mc_head_finish(sp_mc_head_source *h);

/* Share of the extra-focal source that a point sees through the jaws (X1, X2, Y1, Y2, mm): a point of the isocentre
 * plane at (x_mm, y_mm). */
double sp_extra_focal_seen(const sp_machine *m, const double jaws_mm[4], double x_mm, double y_mm);

/* What of the fluence on the axis of the reference field comes from the target (0 to 1). */
double sp_target_share(const sp_machine *m);

/* How far the end of a leaf lies before its set position so that the field is wider by half of the dosimetric leaf gap,
 * mm in the isocentre plane. */
double sp_leaf_end_shift_mm(const sp_mlc *mlc, double sad_mm);

#endif
