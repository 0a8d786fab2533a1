/* Fluence optimisation: objectives and hard limits over an influence matrix, driven by GSL's multimin. */
#ifndef SP_OPTIMISE_H
#define SP_OPTIMISE_H

#include "influence.h"
#include "status.h"

typedef enum {
	SP_SQUARED_OVERDOSE,  /* mean over the volume of max(0, d - dose)^2 */
	SP_SQUARED_UNDERDOSE, /* mean over the volume of max(0, dose - d)^2 */
	SP_SQUARED_DEVIATION, /* mean of (d - dose)^2 */
	SP_MEAN_DOSE,         /* mean dose */
	SP_MEAN_OVERDOSE,     /* max(0, mean dose - dose)^2 */
	SP_GEUD,              /* max(0, gEUD(a) - dose)^2, or max(0, dose - gEUD)^2 for a < 0 */
	SP_DVH_MAX,           /* squared overdose, save in the hottest `volume` share of the structure */
	SP_DVH_MIN,           /* squared underdose, save in the coldest (1 - volume) share */
	SP_LIMIT_MAX,         /* hard: no voxel above dose */
	SP_LIMIT_DVH_MAX,     /* hard: at most the share `volume` above dose (D_volume <= dose) */
	SP_LIMIT_DVH_MIN,     /* hard: at least the share `volume` at dose or more (D_volume >= dose) */
	SP_LIMIT_MEAN         /* hard: mean dose at most dose */
} sp_term_kind;

/* One objective or limit on a set of rows of the matrix. */
typedef struct {
	sp_term_kind kind;
	char name[64]; /* structure, for messages and the progress line */
	double dose_gy;
	double volume; /* share of the structure's volume, 0..1; for an absolute volume the caller divides */
	double a;      /* gEUD exponent */
	double weight; /* penalty of an objective; ignored for limits */
	int level;     /* the caller's own: sp_optimise does not look at it */
	size_t n;      /* rows, ascending, and the volume that each stands for (any unit; only ratios count) */
	const uint32_t *rows;
	const float *volumes;
	/* SP_LIMIT_MAX with a limit of its own for each voxel: dose_gy + over_gy[i] (n numbers, not above 0), or NULL.
	 */
	const float *over_gy;
	/* Volume of further voxels that no bixel reaches and that therefore have no row: they count in means and
	 * shares. Only for terms that ask for little dose. */
	double empty_volume;
} sp_term;

/* Weights that are not free but follow from other variables x >= 0, as the apertures of a machine. All arrays are
 * doubles: n of x, one a column of weights. */
typedef struct {
	void *context;
	size_t n;
	const double *start; /* where the search begins */
	const double *scale; /* what counts as a small step of each variable */
	void (*weights)(void *context, double *weights_out, const double *x);
	/* The gradient by x from that by the weights; with `absolute` every derivative counts as positive. */
	void (*pull_back)(void *context, double *out, const double *x, const double *by_weights, bool absolute);
	/* The derivative of the weights at x, counted positive, times a change of x. */
	void (*push_absolute)(void *context, double *weights_out, const double *x, const double *change);
	/* May move x after a step without a change of the weights. May be NULL. */
	void (*settle)(void *context, double *x);
	/* A cost of x itself; adds its gradient (may be NULL) and its second derivatives' diagonal (may be NULL). May
	 * be NULL. */
	double (*cost)(void *context, const double *x, double *gradient, double *diagonal);
	/* Called between the rounds, when multipliers may move; and with the x of the weights before they are shown by
	 * on_end or given as the result. May be NULL. */
	void (*between_rounds)(void *context, const double *x);
	void (*shown)(void *context, const double *x);
} sp_weight_map;

typedef struct {
	double max_seconds;        /* wall time, 0: no limit */
	size_t max_iterations;     /* 0: no limit */
	double tolerance;          /* relative change of the objective over ten iterations that counts as converged;
	                            * 0: 1e-4 */
	double limit_tolerance_gy; /* how far a hard limit may be missed at the end; 0: 0.1. A fifth of it is aimed at
	                            */
	const double *start;       /* starting weights, or NULL for the built-in start */
	const sp_weight_map *map;  /* what the weights follow from, with its own start; NULL: they are free */
	const float *offset_gy;    /* dose added to D w on every row, or NULL */
	/* Called with the starting weights and the dose of every row, before the search. It may change the offset. May
	 * be NULL. */
	sp_status (*on_start)(void *context, const double *weights, const float *dose_gy, sp_error *err);
	/* Called when the search would end, at first after a rough search, with the best weights and the dose of every
	 * row. It may change the dose_gy and volume of terms and the offset (both arrays are the caller's) and set
	 * *go_on: then the search goes on from there with the multipliers that it has. May be NULL. */
	sp_status (*on_end)(void *context, const double *weights, const float *dose_gy, bool *go_on, sp_error *err);
	/* Where on_end sets it, the limits' penalties begin anew (their multipliers keep their force): after a large
	 * change those that have grown would make the search crawl. May be NULL. */
	bool *restart_penalties;
	/* Called every iteration; return false to stop (the best so far is kept). May be NULL. dose_gy has every row of
	 * the matrix, but only rows that can cost something (targets always) are up to date. */
	bool (*on_iteration)(void *context, size_t iteration, double objective, double worst_limit_miss_gy,
	                     const float *dose_gy);
	void *context;
} sp_optimise_options;

typedef struct {
	double objective;           /* of the objectives alone, without the limits' penalties */
	double worst_limit_miss_gy; /* 0 when every limit holds */
	size_t worst_limit;         /* index of the term that is missed most; n_terms when none is */
	size_t iterations,
	        products; /* products: multiplications with D or its transpose, or with chosen rows of them */
	double seconds;
	bool converged;       /* the objective no longer changes and every limit holds */
	bool interrupted;     /* by a signal, on_iteration, max_seconds or max_iterations */
	bool limits_conflict; /* ended because the limits cannot be held together */
	double kkt_residual;  /* largest |projected gradient of the Lagrangian|, relative to the largest |gradient| at 0
	                       */
} sp_optimise_result;

/* weights_out: one a column, >= 0. dose_out (rows floats) may be NULL. Of the weights visited those are returned that
 * miss the limits least, and where none is missed those of the lowest objective.
 * SP_OK also when limits are missed or time is up: the result says so. */
sp_status sp_optimise(double *weights_out, float *dose_out, sp_optimise_result *result, sp_influence *matrix,
                      const sp_term *terms, size_t n_terms, const sp_optimise_options *options, sp_error *err);

#endif
