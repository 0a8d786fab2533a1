/* The YAML of protocols and of limit tables as libcyaml loads it; protocol.c makes one sp_protocol of them. */
#ifndef SP_PROTOCOL_FILE_H
#define SP_PROTOCOL_FILE_H

#include <stdbool.h>

#include "status.h"

/* planner/protocols/NAME.yaml */
typedef struct {
	char *structure, *metric, *unless, *source;
	double *at_most, *at_least; /* one of them */
	bool hard, goal, unverified;
} sp_file_limit;

typedef struct {
	char *structure;
	double dose_gy;
} sp_file_boost;

typedef struct {
	char *name, *title, *source;
	double dose_gy;
	unsigned fractions;
	double max_dose_percent;
	sp_file_boost *boost; /* NULL: none */
	char **tables;
	unsigned n_tables;
	sp_file_limit *limits;
	unsigned n_limits;
} sp_file_protocol;

/* A table of limits by number of fractions, shared by protocols. */
typedef struct {
	unsigned fractions;
	double value;
	char *source; /* NULL: the row's */
	bool unverified;
} sp_file_value;

typedef struct {
	char *structure, *metric, *unless, *source; /* source NULL: the table's */
	bool hard, goal;
	double alpha_beta_gy; /* for what is derived, 0: nothing may be */
	bool interpolate;     /* derive what lies between the numbers of fractions given */
	sp_file_value *at_most;
	unsigned n_at_most;
	double *eqd2_at_most; /* instead of at_most: the dose in 2 Gy fractions, from which all others are derived */
	bool unverified;
} sp_file_row;

typedef struct {
	char *name, *title, *source;
	sp_file_row *rows;
	unsigned n_rows;
} sp_file_table;

sp_status sp_file_protocol_load(sp_file_protocol **out, const char *text, size_t bytes, const char *where,
                                sp_error *err);
void sp_file_protocol_free(sp_file_protocol *p);

sp_status sp_file_table_load(sp_file_table **out, const char *text, size_t bytes, const char *where, sp_error *err);
void sp_file_table_free(sp_file_table *t);

#endif
