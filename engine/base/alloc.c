#include "alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *sp_alloc_array(size_t n, size_t size)
{
	if (size && n > SIZE_MAX / 2 / size)
		return NULL;
	return calloc(n ? n : 1, size ? size : 1);
}

char *sp_copy_text(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = malloc(bytes);

	if (copy)
		memcpy(copy, text, bytes);
	return copy;
}

sp_status sp_grow_array(void *array, size_t *capacity, size_t n, size_t size, sp_error *err)
{
	void *old, *grown;
	size_t wanted = *capacity ? *capacity : 16;

	if (n <= *capacity)
		return SP_OK;
	while (wanted < n)
		wanted = wanted > SIZE_MAX / 4 ? n : wanted * 2;
	memcpy(&old, array, sizeof old);
	grown = size && wanted > SIZE_MAX / 2 / size ? NULL : realloc(old, wanted * size);
	if (!grown)
		return sp_fail(err, SP_NO_MEMORY, "out of memory: %zu elements of %zu bytes", wanted, size);
	memcpy(array, &grown, sizeof grown);
	*capacity = wanted;
	return SP_OK;
}
