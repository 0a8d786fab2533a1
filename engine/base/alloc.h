/* Checked allocation: sizes that come from files or options never overflow. */
#ifndef SP_ALLOC_H
#define SP_ALLOC_H

#include <stddef.h>
#include "status.h"

/* n zeroed elements of size bytes; NULL when the product overflows or memory is short. n == 0 gives a freeable
 * pointer. Free with free(). */
void *sp_alloc_array(size_t n, size_t size);

/* A copy of text, NULL when memory is short. */
char *sp_copy_text(const char *text);

/* Grows *array (elements of size bytes, *capacity of them) to hold at least n. SP_NO_MEMORY leaves all as it was. */
sp_status sp_grow_array(void *array, size_t *capacity, size_t n, size_t size, sp_error *err);

#endif
