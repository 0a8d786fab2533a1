/* What the readers of measured data share. */
#ifndef SP_MEASURED_INTERNAL_H
#define SP_MEASURED_INTERNAL_H

#include "measured.h"

/* Adds an empty scan that begins at a line of a file. */
sp_status sp_measured_add_scan(sp_measured_scan **out, sp_measured *m, sp_measured_kind kind, const char *file,
                               size_t line, sp_error *err);
sp_status sp_measured_add_point(sp_measured_scan *s, const sp_measured_point *p, sp_error *err);

/* text: the file's, with a zero byte after its last. name: for messages. */
sp_status sp_measured_read_csv(sp_measured *m, const char *name, const char *text, size_t bytes, sp_error *err);
sp_status sp_measured_read_w2cad(sp_measured *m, const char *name, const char *text, sp_error *err);

/* That every scan of m from `first` on can be what its kind says; sorts the points of depth doses and profiles, and
 * drops those outside the water. A scan has a point at least. */
sp_status sp_measured_check(sp_measured *m, size_t first, sp_error *err);

#endif
