/* The shipped materials for a group of tests (its state), and a comparison that shows what it found. */
#ifndef MATTER_FIXTURE_H
#define MATTER_FIXTURE_H

int create_matter(void **state);
int destroy_matter(void **state);
void assert_near(double found, double expected, double tolerance);

#endif
