#include "embedded.h"

#include <string.h>

const sp_embedded *sp_embedded_find(const sp_embedded *list, const char *name)
{
	for (; list->name; list++)
		if (strcmp(list->name, name) == 0)
			return list;
	return NULL;
}
