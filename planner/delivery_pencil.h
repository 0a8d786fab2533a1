/* The dose of a delivery (beams of control points) by the pencil beam, dose to water, in Gy for one fraction: target
 * and extra-focal source as fluence maps, electron contamination where the machine's kernels have a table of it
 * (NAME-electrons). */
#ifndef SP_DELIVERY_PENCIL_H
#define SP_DELIVERY_PENCIL_H

#include "case.h"
#include "delivery.h"
#include "device.h"
#include "displace.h"
#include "machine.h"
#include "matter.h"

typedef struct sp_delivery_pencil sp_delivery_pencil;

/* machine: as sp_delivery_machine gives it; red: electron density on the CT's grid (sp_matter_electron_density);
 * bixel_mm: of the target's map, 0: 2.5 (the others have 10). All but matter must outlive it. */
sp_status sp_delivery_pencil_create(sp_delivery_pencil **out, sp_device *device, const sp_case *c,
                                    const sp_matter *matter, const float *red, const sp_machine *machine,
                                    const sp_delivery *d, double bixel_mm, sp_error *err);

/* [z][y][x] of grid. displaced: how the patient lies; NULL: as planned. wanted: as in sp_pencil_doses. */
sp_status sp_delivery_pencil_dose(float *dose_gy, sp_delivery_pencil *p, const sp_displacement *displaced,
                                  const sp_grid *grid, const unsigned char *wanted, sp_error *err);

void sp_delivery_pencil_destroy(sp_delivery_pencil *p);

/* One dose of the patient as planned. */
sp_status sp_delivery_dose_pencil(float *dose_gy, sp_device *device, const sp_case *c, const sp_matter *matter,
                                  const float *red, const sp_machine *machine, const sp_delivery *d,
                                  const sp_grid *grid, double bixel_mm, sp_error *err);

#endif
