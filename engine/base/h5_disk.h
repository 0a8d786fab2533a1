/* The HDF5 file driver that our files are written through. It never tells the library that a write has failed: the
 * library keeps what it could not write, then can neither close the file nor end cleanly (1.10.8 crashes at exit). The
 * failure is kept here instead, further writes are dropped, and the caller asks after each call. */
#ifndef SP_H5_DISK_H
#define SP_H5_DISK_H

#define H5_USE_110_API
#include <hdf5.h>

typedef struct {
	int failure; /* errno of the first failed write, 0 for none; set by the caller to drop all that follows */
} sp_h5_disk;

/* Access properties for H5Fcreate; disk must outlive the file. < 0 on failure; to be closed with H5Pclose, but after
 * the file: H5Fclose of HDF5 1.10 gives up its own hold on the driver before it calls it for the last time. */
hid_t sp_h5_disk_access(sp_h5_disk *disk);

#endif
