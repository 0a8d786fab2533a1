/* Data files and kernels that live inside the binary (made by scripts/embed at build time). */
#ifndef SP_EMBEDDED_H
#define SP_EMBEDDED_H

#include <stddef.h>

typedef struct {
	const char *name;          /* the file's base name; NULL ends a list */
	const unsigned char *data; /* its bytes, followed by a zero byte */
	size_t bytes;
} sp_embedded;

/* The entry called name in a list, or NULL. */
const sp_embedded *sp_embedded_find(const sp_embedded *list, const char *name);

#endif
