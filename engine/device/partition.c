/* Parts of one device that stand in for several: they have the device's compute units and memory in equal shares, and
 * are as alike as devices of one kind. For tests of what several devices share, and to run side by side on a CPU. */
#include "device_internal.h"

#include <errno.h>
#include <stdlib.h>

#define MOST_PARTS 64

sp_status sp_device_parts_wanted(cl_uint *out, sp_error *err)
{
	const char *text = getenv("SPINEPLAN_SUBDEVICES");
	char *end;
	unsigned long parts;

	*out = 1;
	if (!text || !*text)
		return SP_OK;
	errno = 0;
	parts = strtoul(text, &end, 10);
	if (*end || errno || parts < 1 || parts > MOST_PARTS)
		return sp_fail(err, SP_BAD_INPUT, "SPINEPLAN_SUBDEVICES is '%s', expected a number from 1 to %d", text,
		               MOST_PARTS);
	*out = (cl_uint)parts;
	return SP_OK;
}

cl_uint sp_device_split(cl_device_id out[], cl_uint most, cl_device_id device, cl_uint parts)
{
	cl_device_partition_property wish[3] = {CL_DEVICE_PARTITION_EQUALLY, 0, 0};
	cl_uint units = 0, made = 0;

	out[0] = device;
	if (parts < 2 || parts > most ||
	    clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL) != CL_SUCCESS ||
	    units < parts)
		return 1;
	wish[1] = (cl_device_partition_property)(units / parts);
	if (clCreateSubDevices(device, wish, most, out, &made) != CL_SUCCESS || made < parts) {
		out[0] = device;
		return 1;
	}
	while (made > parts) /* what is left over of units that do not divide evenly */
		clReleaseDevice(out[--made]);
	/* kept until the process ends: PoCL's threads still look at a command's device after it is finished for
	 * everybody else, and a part that was released meanwhile is gone */
	for (cl_uint i = 0; i < made; i++)
		clRetainDevice(out[i]);
	return parts;
}
