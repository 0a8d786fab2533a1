/* How much of a bixel lies on the near side of a leaf end: at rest, and on average while the end moves evenly. Both in
 * shares of the bixel; the opening between two ends is the difference of their shares. */
#ifndef SP_OPENING_H
#define SP_OPENING_H

/* bixel_low_mm: the bixel's edge towards bank 1. */
double sp_opening_at(double end_mm, double bixel_low_mm, double bixel_mm);

/* On average between two places; derivatives by both. */
double sp_opening_mean(double from_mm, double to_mm, double bixel_low_mm, double bixel_mm, double *by_from,
                       double *by_to);

#endif
