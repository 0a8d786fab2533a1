/* Each thing that can be wrong in a case file is refused with one sentence that names the HDF5 path, what was found and
 * what was expected. Every test spoils a good file in one way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#define H5_USE_110_API
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case.h"
#include "case_fixture.h"

static char path[] = "/tmp/spineplan-refused-XXXXXX";

/* The good file, open for spoiling. */
static hid_t begin(void)
{
	hid_t file;

	fixture_case_file(path);
	file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
	assert_true(file >= 0);
	return file;
}

static void expect(hid_t file, const char *sentence)
{
	sp_error err = {0};
	sp_case *c;
	sp_status st;

	if (file >= 0)
		assert_true(H5Fclose(file) >= 0);
	st = sp_case_read(&c, path, &err);
	if (st == SP_OK || !strstr(err.text, sentence))
		fail_msg("\n     got: %s\nexpected: %s", st == SP_OK ? "no error" : err.text, sentence);
	assert_non_null(strstr(err.text, path));
	assert_null(c);
}

/* Replaces an attribute by n numbers (n = 0: removes it). */
static void set(hid_t file, const char *object, const char *attribute, size_t n, const double *values)
{
	hsize_t size = n;
	hid_t space, id;

	if (H5Aexists_by_name(file, object, attribute, H5P_DEFAULT) > 0)
		assert_true(H5Adelete_by_name(file, object, attribute, H5P_DEFAULT) >= 0);
	if (n == 0)
		return;
	space = H5Screate_simple(1, &size, NULL);
	id = H5Acreate_by_name(file, object, attribute, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	assert_true(H5Awrite(id, H5T_NATIVE_DOUBLE, values) >= 0);
	H5Aclose(id);
	H5Sclose(space);
}

static void set_one(hid_t file, const char *object, const char *attribute, double value)
{
	set(file, object, attribute, 1, &value);
}

/* Replaces an attribute by a fixed-length text. */
static void set_text(hid_t file, const char *object, const char *attribute, const char *text)
{
	hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), id;

	H5Tset_size(type, strlen(text));
	H5Tset_strpad(type, H5T_STR_NULLPAD);
	set(file, object, attribute, 0, NULL);
	id = H5Acreate_by_name(file, object, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	assert_true(H5Awrite(id, type, text) >= 0);
	H5Aclose(id);
	H5Sclose(space);
	H5Tclose(type);
}

/* Replaces a dataset. */
static void put(hid_t file, const char *name, hid_t disk, int rank, const hsize_t *dims, hid_t memory, const void *data)
{
	hid_t space = H5Screate_simple(rank, dims, NULL), id;

	if (H5Lexists(file, name, H5P_DEFAULT) > 0)
		H5Ldelete(file, name, H5P_DEFAULT);
	id = H5Dcreate2(file, name, disk, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	assert_true(id >= 0);
	if (data)
		assert_true(H5Dwrite(id, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
	H5Dclose(id);
	H5Sclose(space);
}

static void put_contour(hid_t file, const char *structure, hsize_t n, const double (*points)[3])
{
	char name[128];

	snprintf(name, sizeof name, "/structures/%s/points_mm", structure);
	put(file, name, H5T_IEEE_F64LE, 2, (hsize_t[]){n, 3}, H5T_NATIVE_DOUBLE, points);
	snprintf(name, sizeof name, "/structures/%s/offsets", structure);
	put(file, name, H5T_STD_I64LE, 1, (hsize_t[]){2}, H5T_NATIVE_LLONG, (long long[]){0, (long long)n});
}

static void add_structure(hid_t file, const char *name, const char *role, double x0, double x1)
{
	const double square[4][3] = {{x0, -226, 821.25}, {x1, -226, 821.25}, {x1, -215, 821.25}, {x0, -215, 821.25}};
	char group[128];

	snprintf(group, sizeof group, "/structures/%s", name);
	H5Gclose(H5Gcreate2(file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
	set_text(file, group, "role", role);
	put_contour(file, name, 4, square);
}

static void the_spoiling_itself_does_no_harm(void **state)
{
	hid_t file = begin();
	sp_error err = {0};
	sp_case *c;

	(void)state;
	add_structure(file, "GTV", "gtv", 4.0, 8.0);
	set_one(file, "/prescription", "dose_gy", 30.0);
	H5Fclose(file);
	if (sp_case_read(&c, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_true(c->prescription.dose_gy == 30.0);
	sp_case_destroy(c);
}

/* ---- the file ---- */

static void missing_file(void **state)
{
	(void)state;
	unlink(path);
	expect(-1, "cannot open /tmp/spineplan-refused-");
	expect(-1, ": No such file or directory");
}

static void not_hdf5(void **state)
{
	FILE *f = fopen(path, "w");

	(void)state;
	fputs("PK\003\004 this is some other file", f);
	fclose(f);
	expect(-1, " is not an HDF5 file");
}

static void truncated_file(void **state)
{
	hid_t file = begin();

	(void)state;
	H5Fclose(file);
	assert_int_equal(truncate(path, 7000), 0);
	expect(-1, "cannot be opened, the file is truncated or damaged (HDF5: truncated file");
}

static void versions_and_formats(void **state)
{
	hid_t file = begin();

	(void)state;
	set_one(file, "/", "version", 2.0);
	expect(file, ":/ version is 2; this program reads version 1");
	file = begin();
	set(file, "/", "version", 0, NULL);
	expect(file, ":/ has no attribute version, expected 1: is it a case file?");
	file = begin();
	set_text(file, "/", "format", "spineplan-plan");
	expect(file, ":/ format is \"spineplan-plan\", expected \"spineplan-case\"");
}

static void links_out_of_the_file(void **state)
{
	hid_t file = begin();

	(void)state;
	H5Ldelete(file, "/ct/hu", H5P_DEFAULT);
	H5Lcreate_external("/etc/passwd", "/x", file, "/ct/hu", H5P_DEFAULT, H5P_DEFAULT);
	expect(file, ":/ct/hu is a soft or external link; only the file's own objects are read");
	file = begin();
	H5Ldelete(file, "/ct", H5P_DEFAULT);
	H5Lcreate_soft("/ct", file, "/ct", H5P_DEFAULT, H5P_DEFAULT); /* to itself */
	expect(file, ":/ct is a soft or external link");
}

static void data_out_of_the_file(void **state)
{
	hid_t file = begin(), layout = H5Pcreate(H5P_DATASET_CREATE), space, id;

	(void)state;
	H5Ldelete(file, "/structures/cage/mask", H5P_DEFAULT);
	H5Pset_external(layout, "/etc/passwd", 0, H5F_UNLIMITED);
	space = H5Screate_simple(3, (hsize_t[]){11, 17, 23}, NULL);
	id = H5Dcreate2(file, "/structures/cage/mask", H5T_STD_U8LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
	H5Dclose(id);
	H5Sclose(space);
	H5Pclose(layout);
	expect(file, "/structures/cage/mask keeps its data in other files");
}

/* ---- the CT ---- */

static void ct_missing_or_misshapen(void **state)
{
	hid_t file = begin();

	(void)state;
	H5Ldelete(file, "/ct/hu", H5P_DEFAULT);
	expect(file, ":/ct/hu is missing, expected a dataset [any][any][any]");
	file = begin();
	H5Ldelete(file, "/ct", H5P_DEFAULT);
	expect(file, ":/ct/hu is missing");
	file = begin();
	put(file, "/ct/hu", H5T_STD_I16LE, 2, (hsize_t[]){17, 23}, 0, NULL);
	expect(file, ":/ct/hu is [17][23], expected [any][any][any]");
	file = begin();
	put(file, "/ct/hu", H5T_STD_I16LE, 3, (hsize_t[]){0, 17, 23}, 0, NULL);
	expect(file, ":/ct/hu has no voxels");
	file = begin();
	put(file, "/ct/hu", H5T_C_S1, 3, (hsize_t[]){11, 17, 23}, 0, NULL);
	expect(file, ":/ct/hu does not hold numbers");
}

/* 1e15 voxels in a few bytes: chunks that were never written. */
static void ct_of_hostile_size(void **state)
{
	hid_t file = begin(), layout = H5Pcreate(H5P_DATASET_CREATE), space;
	hsize_t dims[3] = {100000, 100000, 100000};

	(void)state;
	H5Ldelete(file, "/ct/hu", H5P_DEFAULT);
	H5Pset_chunk(layout, 3, (hsize_t[]){1, 512, 512});
	space = H5Screate_simple(3, dims, NULL);
	H5Dclose(H5Dcreate2(file, "/ct/hu", H5T_STD_I16LE, space, H5P_DEFAULT, layout, H5P_DEFAULT));
	H5Sclose(space);
	expect(file, ":/ct/hu claims 1000000000000000 elements, expected at most");
	file = begin();
	H5Ldelete(file, "/ct/hu", H5P_DEFAULT);
	space = H5Screate_simple(3, (hsize_t[]){1000, 1000, 1000}, NULL);
	H5Dclose(H5Dcreate2(file, "/ct/hu", H5T_STD_I16LE, space, H5P_DEFAULT, layout, H5P_DEFAULT));
	H5Sclose(space);
	H5Pclose(layout);
	expect(file, ":/ct/hu claims 1000000000 elements, more than a file of ");
}

static void ct_placed_nowhere(void **state)
{
	hid_t file = begin();

	(void)state;
	set(file, "/ct/hu", "spacing_mm", 0, NULL);
	expect(file, ":/ct/hu has no attribute spacing_mm, expected 3 numbers (x, y, z)");
	file = begin();
	set(file, "/ct/hu", "spacing_mm", 2, (double[]){1, 1});
	expect(file, ":/ct/hu spacing_mm holds 2 numbers, expected 3");
	file = begin();
	set(file, "/ct/hu", "spacing_mm", 3, (double[]){1, NAN, 1});
	expect(file, ":/ct/hu spacing_mm[1] is nan, expected > 0 and <= 100");
	file = begin();
	set(file, "/ct/hu", "spacing_mm", 3, (double[]){1, 1, -3});
	expect(file, ":/ct/hu spacing_mm[2] is -3, expected > 0");
	file = begin();
	set(file, "/ct/hu", "origin_mm", 3, (double[]){INFINITY, 1, 1});
	expect(file, ":/ct/hu origin_mm[0] is inf");
	file = begin();
	set_text(file, "/ct/hu", "patient_position", "up");
	expect(file, ":/ct/hu patient_position is \"up\", expected HFS, HFP");
}

static void hu_that_int16_cannot_hold(void **state)
{
	static float hu[11 * 17 * 23];
	hid_t file = begin();

	(void)state;
	hu[200] = 40000.0f;
	put(file, "/ct/hu", H5T_IEEE_F32LE, 3, (hsize_t[]){11, 17, 23}, H5T_NATIVE_FLOAT, hu);
	set(file, "/ct/hu", "spacing_mm", 3, (double[]){1.25, 1.5, 3.0});
	expect(file, ":/ct/hu holds 40000, expected HU from -32768 to 32767");
	file = begin();
	hu[200] = NAN;
	put(file, "/ct/hu", H5T_IEEE_F32LE, 3, (hsize_t[]){11, 17, 23}, H5T_NATIVE_FLOAT, hu);
	set(file, "/ct/hu", "spacing_mm", 3, (double[]){1.25, 1.5, 3.0});
	expect(file, ":/ct/hu holds nan, expected HU");
}

/* ---- structures ---- */

static void contours_outside_the_ct(void **state)
{
	const double far[4][3] = {{4, -226, 821}, {90, -226, 821}, {90, -215, 821}, {4, -215, 821}};
	const double above[3][3] = {{4, -226, 900}, {8, -226, 900}, {8, -215, 900}};
	hid_t file = begin();

	(void)state;
	put_contour(file, "PTV", 4, far);
	expect(file,
	       ":/structures/PTV/points_mm[1] is outside the CT: x is 90 mm, the CT goes from -14.625 to 14.125 mm");
	file = begin();
	put_contour(file, "PTV", 3, above);
	expect(file,
	       ":/structures/PTV/points_mm[0] is outside the CT: z is 900 mm, the CT goes from 810.75 to 843.75 mm");
}

static void contours_that_are_none(void **state)
{
	const double tilted[3][3] = {{4, -226, 821}, {8, -226, 821}, {8, -215, 823}};
	const double nowhere[3][3] = {{4, -226, 821}, {8, NAN, 821}, {8, -215, 821}};
	hid_t file = begin();

	(void)state;
	put_contour(file, "PTV", 3, tilted);
	expect(file, ":/structures/PTV polygon 0 is not planar: its z goes from 821 to 823 mm, expected one slice");
	file = begin();
	put_contour(file, "PTV", 3, nowhere);
	expect(file, ":/structures/PTV/points_mm[1][1] is nan, expected a position in mm");
	file = begin();
	put(file, "/structures/PTV/points_mm", H5T_IEEE_F64LE, 2, (hsize_t[]){4, 2}, 0, NULL);
	expect(file, ":/structures/PTV/points_mm is [4][2], expected [any][3]");
	file = begin();
	H5Ldelete(file, "/structures/PTV/points_mm", H5P_DEFAULT);
	expect(file, ":/structures/PTV/points_mm is missing, expected a dataset [any][3]");
}

static void offsets_that_do_not_fit(void **state)
{
	hid_t file = begin();

	(void)state;
	put(file, "/structures/PTV/offsets", H5T_STD_I32LE, 1, (hsize_t[]){3}, H5T_NATIVE_INT, (int[]){0, 5, 4});
	expect(file,
	       ":/structures/PTV/offsets[1] is 5, expected offsets that begin with 0, do not fall and end with the "
	       "number of points, 4");
	file = begin();
	put(file, "/structures/PTV/offsets", H5T_STD_I32LE, 1, (hsize_t[]){3}, H5T_NATIVE_INT, (int[]){0, 3, 1});
	expect(file, ":/structures/PTV/offsets[2] is 1, expected offsets");
	file = begin();
	put(file, "/structures/PTV/offsets", H5T_STD_I32LE, 1, (hsize_t[]){2}, H5T_NATIVE_INT, (int[]){0, 3});
	expect(file, ":/structures/PTV/offsets ends with 3, expected the number of points, 4");
	file = begin();
	put(file, "/structures/PTV/offsets", H5T_STD_I32LE, 1, (hsize_t[]){0}, H5T_NATIVE_INT, NULL);
	expect(file, ":/structures/PTV/offsets is empty, expected polygons + 1 numbers");
}

static void masks_that_do_not_fit(void **state)
{
	hid_t file = begin();

	(void)state;
	put(file, "/structures/cage/mask", H5T_STD_U8LE, 3, (hsize_t[]){23, 17, 11}, 0, NULL);
	expect(file, ":/structures/cage/mask is [23][17][11], expected [11][17][23]");
	file = begin();
	put(file, "/structures/PTV/mask", H5T_STD_U8LE, 3, (hsize_t[]){11, 17, 23}, 0, NULL);
	expect(file, ":/structures/PTV has both points_mm and mask, expected one of them");
}

static void structures_that_are_none(void **state)
{
	hid_t file = begin();

	(void)state;
	put(file, "/structures/stray", H5T_STD_U8LE, 1, (hsize_t[]){2}, 0, NULL);
	expect(file, ":/structures/stray is not a group");
	file = begin();
	set_text(file, "/structures/PTV", "role", "tumour");
	expect(file,
	       ":/structures/PTV role is \"tumour\", expected external, gtv, ctv, ptv, cord, prv, organ, hardware or "
	       "support");
	file = begin();
	set(file, "/structures/PTV", "colour", 3, (double[]){0, 300, 0});
	expect(file, ":/structures/PTV colour[1] is 300, expected 0 to 255");
	file = begin();
	set_one(file, "/structures/PTV", "density_g_cm3", -1.0);
	expect(file, ":/structures/PTV density_g_cm3 is -1, expected 0 to 25");
	file = begin();
	set_one(file, "/structures/PTV", "density_g_cm3", NAN);
	expect(file, ":/structures/PTV density_g_cm3 is nan, expected 0 to 25");
	file = begin();
	add_structure(file, "a\nb", "organ", 4, 8);
	expect(file, ":/structures holds a name that is not plain UTF-8 text");
}

static void roles_that_contradict(void **state)
{
	hid_t file = begin();

	(void)state;
	add_structure(file, "BODY", "external", -10, 10);
	add_structure(file, "skin", "external", -10, 10);
	expect(file, ":/structures/BODY and /structures/skin both have the role external, expected one body outline");
	file = begin();
	add_structure(file, "GTV", "gtv", 4, 8);
	set_text(file, "/structures/PTV", "role", "cord");
	expect(file,
	       ":/structures/GTV (gtv) and /structures/PTV (cord) share 0.12 cc of 0.13 and 0.17 cc: one of the roles "
	       "is wrong");
	file = begin();
	add_structure(file, "rod", "hardware", 3, 11);
	expect(file, ":/structures/PTV (ptv) lies inside /structures/rod (hardware) with 0.16 of 0.17 cc");
	file = begin();
	add_structure(file, "BODY", "external", -10, 5);
	expect(file, ":/structures/PTV (ptv) lies outside the body /structures/BODY with");
}

/* ---- prescription and beams ---- */

static void prescriptions_that_cannot_be(void **state)
{
	hid_t file = begin();

	(void)state;
	set_one(file, "/prescription", "dose_gy", 0.0);
	expect(file, ":/prescription dose_gy is 0, expected > 0 and < 1000 (Gy, whole course)");
	file = begin();
	set_one(file, "/prescription", "dose_gy", NAN);
	expect(file, ":/prescription dose_gy is nan");
	file = begin();
	set_one(file, "/prescription", "fractions", 0.0);
	expect(file, ":/prescription fractions is 0, expected a whole number from 1 to 200");
	file = begin();
	set_one(file, "/prescription", "fractions", 2.5);
	expect(file, ":/prescription fractions is 2.5, expected a whole number");
	file = begin();
	set_text(file, "/prescription", "dose_gy", "much");
	expect(file, ":/prescription dose_gy is not a number");
	file = begin();
	set(file, "/prescription", "dose_gy", 0, NULL);
	set(file, "/prescription", "protocol", 0, NULL);
	expect(file, ":/prescription has no attribute dose_gy, expected the dose of the whole course");
}

static void targets_that_are_not_there(void **state)
{
	hid_t file = begin();

	(void)state;
	set_text(file, "/prescription", "target", "GTV 2");
	expect(file, ":/prescription target is \"GTV 2\", and there is no /structures/GTV 2");
	file = begin();
	set_text(file, "/prescription", "target", "nothing");
	expect(file, ":/structures/nothing is empty, and it is the target of the prescription");
	file = begin();
	set(file, "/prescription", "target", 0, NULL);
	set_text(file, "/structures/PTV", "role", "organ");
	expect(file, ":/prescription names no target, and no structure has the role ptv, ctv or gtv");
	/* two points enclose nothing, and points on a line neither */
	file = begin();
	put_contour(file, "PTV", 3, (const double[3][3]){{4, -226, 821}, {6, -224, 821}, {8, -222, 821}});
	expect(file, ":/structures/PTV is empty, and it is the target of the prescription");
	file = begin();
	put_contour(file, "PTV", 2, (const double[2][3]){{4, -226, 821}, {8, -226, 821}});
	expect(file, ":/structures/PTV is empty, and it is the target of the prescription");
}

static void beams_that_cannot_be(void **state)
{
	hid_t file = begin();

	(void)state;
	set(file, "/beams/1", "gantry_deg", 0, NULL);
	expect(file, ":/beams/1 has no attribute gantry_deg");
	file = begin();
	set_one(file, "/beams/2", "couch_deg", 720.0);
	expect(file, ":/beams/2 couch_deg is 720, expected -360 to 360");
	file = begin();
	set(file, "/beams/2", "isocentre_mm", 2, (double[]){1, 2});
	expect(file, ":/beams/2 isocentre_mm holds 2 numbers, expected 3");
}

static int make_path(void **state)
{
	(void)state;
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	close(mkstemp(path));
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_spoiling_itself_does_no_harm),
	        cmocka_unit_test(missing_file),
	        cmocka_unit_test(not_hdf5),
	        cmocka_unit_test(truncated_file),
	        cmocka_unit_test(versions_and_formats),
	        cmocka_unit_test(links_out_of_the_file),
	        cmocka_unit_test(data_out_of_the_file),
	        cmocka_unit_test(ct_missing_or_misshapen),
	        cmocka_unit_test(ct_of_hostile_size),
	        cmocka_unit_test(ct_placed_nowhere),
	        cmocka_unit_test(hu_that_int16_cannot_hold),
	        cmocka_unit_test(contours_outside_the_ct),
	        cmocka_unit_test(contours_that_are_none),
	        cmocka_unit_test(offsets_that_do_not_fit),
	        cmocka_unit_test(masks_that_do_not_fit),
	        cmocka_unit_test(structures_that_are_none),
	        cmocka_unit_test(roles_that_contradict),
	        cmocka_unit_test(prescriptions_that_cannot_be),
	        cmocka_unit_test(targets_that_are_not_there),
	        cmocka_unit_test(beams_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
