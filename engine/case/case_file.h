/* The case's part of a file: what docs/case-format.md describes, below any group. A case file has it at the root, a
 * plan file carries it along in a group of its own. */
#ifndef SP_CASE_FILE_H
#define SP_CASE_FILE_H

#include "case.h"
#include "h5.h"

/* group: "" for the root, else a path like "/case". Reads and checks; path is set, sha256 is left to the caller. */
sp_status sp_case_read_group(sp_case **out, sp_h5_in *f, const char *group, sp_error *err);
sp_status sp_case_write_group(const sp_case *c, sp_h5_out *f, const char *group, sp_error *err);

#endif
