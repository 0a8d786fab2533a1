/* A machine's open fields in water against published measurements of its class of beam. */
#ifndef SP_BEAM_BENCH_H
#define SP_BEAM_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "machine.h"
#include "matter.h"

typedef struct {
	char what[64];
	double measured, computed, tolerance; /* percent of the maximum or of the axis, mm, or cGy: as `unit` says */
	const char *unit;
	bool passes;
} sp_beam_check;

typedef struct {
	bool monte_carlo;
	double uncertainty; /* of Monte Carlo: of a box of 10 x 10 x 5 mm on the axis, above half of the maximum */
	uint64_t seed;
	double smallest_mm, largest_mm; /* other fields are left out */
	const char *only;               /* "depth", "reference", "output", "profile" or "penumbra"; NULL: all */
} sp_beam_bench_options;

/* Depth doses, output factors, off-axis ratios, penumbrae and the dose of 1 MU, in the order of docs/machines.md.
 * *checks is freed by the caller. SP_BAD_INPUT for a beam that there are no measurements of. */
sp_status sp_beam_bench(sp_beam_check **checks, size_t *n, const sp_machine *m, sp_device *device,
                        const sp_matter *matter, const sp_beam_bench_options *o, sp_error *err);

#endif
