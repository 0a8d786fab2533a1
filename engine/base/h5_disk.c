#include "h5_disk.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	H5FD_t head; /* the library's part */
	sp_h5_disk *disk;
	int fd;
	haddr_t allocated, end; /* what the library has given out, and how much of it was written */
} disk_file;

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t access, haddr_t most)
{
	sp_h5_disk *const *disk = H5Pget_driver_info(access);
	disk_file *f = disk ? calloc(1, sizeof *f) : NULL;

	(void)flags;
	(void)most;
	if (!disk)
		return NULL;
	if (f)
		f->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (!f || f->fd < 0) {
		(*disk)->failure = f ? errno : ENOMEM;
		free(f);
		return NULL;
	}
	f->disk = *disk;
	f->disk->failure = 0; /* the library opens a new file twice, and is content with the second time */
	return &f->head;
}

static herr_t disk_close(H5FD_t *file)
{
	disk_file *f = (disk_file *)file;

	if (close(f->fd) != 0 && !f->disk->failure)
		f->disk->failure = errno;
	free(f);
	return 0;
}

static int disk_compare(const H5FD_t *a, const H5FD_t *b)
{
	const disk_file *p = (const disk_file *)a, *q = (const disk_file *)b;

	return (p->fd > q->fd) - (p->fd < q->fd);
}

static herr_t disk_query(const H5FD_t *file, unsigned long *flags)
{
	(void)file;
	*flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
	         H5FD_FEAT_AGGREGATE_SMALLDATA;
	return 0;
}

static haddr_t disk_allocated(const H5FD_t *file, H5FD_mem_t type)
{
	(void)type;
	return ((const disk_file *)file)->allocated;
}

static herr_t disk_set_allocated(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
	(void)type;
	((disk_file *)file)->allocated = end;
	return 0;
}

static haddr_t disk_end(const H5FD_t *file, H5FD_mem_t type)
{
	(void)type;
	return ((const disk_file *)file)->end;
}

static herr_t disk_read(H5FD_t *file, H5FD_mem_t type, hid_t properties, haddr_t at, size_t bytes, void *out)
{
	disk_file *f = (disk_file *)file;
	char *to = out;

	(void)type;
	(void)properties;
	while (bytes) {
		ssize_t got = pread(f->fd, to, bytes, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0) { /* beyond the end: given out, not written yet */
			memset(to, 0, bytes);
			return 0;
		}
		to += got;
		at += (haddr_t)got;
		bytes -= (size_t)got;
	}
	return 0;
}

static herr_t disk_write(H5FD_t *file, H5FD_mem_t type, hid_t properties, haddr_t at, size_t bytes, const void *data)
{
	disk_file *f = (disk_file *)file;
	const char *from = data;

	(void)type;
	(void)properties;
	if (at + bytes > f->end)
		f->end = at + bytes;
	while (bytes && !f->disk->failure) {
		ssize_t put = pwrite(f->fd, from, bytes, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			f->disk->failure = put < 0 ? errno : ENOSPC;
			break;
		}
		from += put;
		at += (haddr_t)put;
		bytes -= (size_t)put;
	}
	return 0;
}

/* Makes the file as long as what was given out. */
static herr_t disk_truncate(H5FD_t *file, hid_t properties, hbool_t closing)
{
	disk_file *f = (disk_file *)file;

	(void)properties;
	(void)closing;
	if (!f->disk->failure && f->end != f->allocated && ftruncate(f->fd, (off_t)f->allocated) != 0)
		f->disk->failure = errno;
	f->end = f->allocated;
	return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
        .version = H5FD_CLASS_VERSION,
        .value = (H5FD_class_value_t)512, /* the range for drivers outside the library begins at 512 */
#endif
        .name = "spineplan",
        .maxaddr = ((haddr_t)1 << 62),
        .fc_degree = H5F_CLOSE_STRONG,
        .fapl_size = sizeof(sp_h5_disk *),
        .open = disk_open,
        .close = disk_close,
        .cmp = disk_compare,
        .query = disk_query,
        .get_eoa = disk_allocated,
        .set_eoa = disk_set_allocated,
        .get_eof = disk_end,
        .read = disk_read,
        .write = disk_write,
        .truncate = disk_truncate,
        .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t sp_h5_disk_access(sp_h5_disk *disk)
{
	hid_t id = H5FDregister(&driver), access = H5Pcreate(H5P_FILE_ACCESS);

	if (id < 0 || access < 0 || H5Pset_driver(access, id, &disk) < 0) {
		if (access >= 0)
			H5Pclose(access);
		access = -1;
	}
	if (id >= 0)
		H5FDunregister(id); /* the properties hold it */
	return access;
}
