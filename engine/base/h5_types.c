/* Number types and error texts that the HDF5 reading and writing sides share. */
#include "h5_internal.h"

#include <stdio.h>
#include <string.h>

void sp_h5_join(char path_out[SP_H5_PATH_BYTES], const char *a, const char *b, const char *c)
{
	snprintf(path_out, SP_H5_PATH_BYTES, "%s%s%s", a, b, c);
}

size_t sp_h5_type_bytes(sp_h5_type type)
{
	static const size_t bytes[] = {1, 1, 2, 4, 4, 8, 8, 4, 8};

	return bytes[type];
}

hid_t sp_h5_memory_type(sp_h5_type type)
{
	const hid_t types[] = {H5T_NATIVE_UINT8,  H5T_NATIVE_INT8,   H5T_NATIVE_INT16,
	                       H5T_NATIVE_INT32,  H5T_NATIVE_UINT32, H5T_NATIVE_INT64,
	                       H5T_NATIVE_UINT64, H5T_NATIVE_FLOAT,  H5T_NATIVE_DOUBLE};

	return types[type];
}

hid_t sp_h5_disk_type(sp_h5_type type)
{
	const hid_t types[] = {H5T_STD_U8LE,  H5T_STD_I8LE,  H5T_STD_I16LE,  H5T_STD_I32LE, H5T_STD_U32LE,
	                       H5T_STD_I64LE, H5T_STD_U64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE};

	return types[type];
}

typedef struct {
	char *out;
	size_t bytes;
} reason_room;

static herr_t keep_reason(unsigned depth, const H5E_error2_t *entry, void *context)
{
	reason_room *room = context;

	(void)depth;
	/* walked outwards in: the last one kept is the innermost */
	snprintf(room->out, room->bytes, "%s", entry->desc ? entry->desc : "");
	return 0;
}

void sp_h5_reason(char *out, size_t out_bytes)
{
	reason_room room = {out, out_bytes};

	out[0] = '\0';
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_reason, &room);
	H5Eclear2(H5E_DEFAULT);
}
