/* Measurements in water as CSV and W2CAD: what is read, and what is said about files that are wrong. */
#include "atomic_file.h"
#include "measured.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define FOLDER "measured_files_test"

static const char *const written[] = {FOLDER "/a.csv", FOLDER "/b.asc", FOLDER "/notes.txt"};

static void clear(void)
{
	for (size_t i = 0; i < sizeof written / sizeof *written; i++)
		unlink(written[i]);
	rmdir(FOLDER);
}

/* Reads a folder with these files; NULL: without it. */
static sp_status read_files(sp_measured *m, const char *csv, const char *asc, sp_error *err)
{
	sp_status st;

	clear();
	assert_int_equal(mkdir(FOLDER, 0777), 0);
	if (csv)
		assert_int_equal(sp_file_write_all(written[0], csv, strlen(csv), NULL), SP_OK);
	if (asc)
		assert_int_equal(sp_file_write_all(written[1], asc, strlen(asc), NULL), SP_OK);
	assert_int_equal(sp_file_write_all(written[2], "?", 1, NULL), SP_OK);
	st = sp_measured_read(m, FOLDER, err);
	clear();
	return st;
}

#define HEADER "kind,field_x_mm,field_y_mm,ssd_mm,depth_mm,x_mm,y_mm,dose\n"
#define DEPTH                                                                                         \
	HEADER "depth,100,80,950,-3,0,0,20\ndepth,100,80,950,20,0,0,98\ndepth,100,80,950,10,0,0,99\n" \
	       "depth,100,80,950,50,0,0,80\ndepth,100,80,950,60,0,0,75\ndepth,100,80,950,70,0,0,70\n"

static void a_table_becomes_scans_by_kind_field_and_line(void **state)
{
	static const char table[] =
	        "# a remark\nkind,field_x_mm,field_y_mm,ssd_mm,depth_mm,x_mm,y_mm,gap_mm,uncertainty,dose\n"
	        "depth,100,80,950,-3,0,0,,,20\ndepth,100,80,950,20,0,0,,,98\ndepth,100,80,950,10,0,0,,0.7,99\n"
	        "depth,100,80,950,50,0,0,,,80\ndepth,100,80,950,60,0,0,,,75\ndepth,100,80,950,70,0,0,,,70\n"
	        "depth,50,50,950,10,0,0,,,99\ndepth,50,50,950,30,0,0,,,90\ndepth,50,50,950,50,0,0,,,80\n"
	        "depth,50,50,950,60,0,0,,,75\ndepth,50,50,950,70,0,0,,,70\n"
	        "profile,100,100,900,50,-40,0,,,9\nprofile,100,100,900,50,-0.4,0,,,10\nprofile,100,100,900,50,0.4,0,,,"
	        "10\n"
	        "profile,100,100,900,50,20,0,,,9.8\nprofile,100,100,900,50,60,0,,,1\n"
	        "profile,100,100,900,50,0,-60,,,2\nprofile,100,100,900,50,0,-30,,,8\nprofile,100,100,900,50,0,0,,,10\n"
	        "profile,100,100,900,50,0,30,,,9\nprofile,100,100,900,50,0,60,,,1\n"
	        "profile,100,100,900,50,-30,30,,,2\nprofile,100,100,900,50,0,0,,,10\nprofile,100,100,900,50,20,-20,,,"
	        "9\n"
	        "profile,100,100,900,50,30,-30,,,8\nprofile,100,100,900,50,40,-40,,,7\n"
	        "output,30,30,950,50,0,0,,,0.88\noutput,100,100,950,50,0,0,,,1\n"
	        "absolute,100,100,1000,14,0,0,,,0.0101\n"
	        "sweep,100,100,950,50,0,0,0,,0.016\nsweep,100,100,950,50,0,0,10,,0.11\n";
	static const struct {
		sp_measured_kind kind;
		size_t n;
		double direction_deg;
	} expected[] = {{SP_MEASURED_DEPTH, 5, 0.0},    {SP_MEASURED_DEPTH, 5, 0.0},     {SP_MEASURED_PROFILE, 5, 0.0},
	                {SP_MEASURED_PROFILE, 5, 90.0}, {SP_MEASURED_PROFILE, 5, -45.0}, {SP_MEASURED_OUTPUT, 2, 0.0},
	                {SP_MEASURED_ABSOLUTE, 1, 0.0}, {SP_MEASURED_SWEEP, 2, 0.0}};
	sp_measured m;
	sp_error err = {0};

	(void)state;
	if (read_files(&m, table, NULL, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_int_equal(m.n, sizeof expected / sizeof *expected);
	for (size_t i = 0; i < m.n; i++) {
		assert_int_equal(m.scans[i].kind, expected[i].kind);
		assert_int_equal(m.scans[i].n, expected[i].n);
		assert_true(m.scans[i].direction_deg == expected[i].direction_deg);
	}
	/* sorted, the point above the water left out; field and distance */
	assert_true(m.scans[0].points[0].depth_mm == 10.0 && m.scans[0].points[0].uncertainty == 0.7);
	assert_true(m.scans[0].points[1].depth_mm == 20.0 && m.scans[0].points[1].dose == 98.0);
	assert_true(m.scans[0].points[0].field_mm[0] == 100.0 && m.scans[0].points[0].field_mm[1] == 80.0);
	assert_true(m.scans[0].ssd_mm == 950.0 && m.scans[2].ssd_mm == 900.0);
	assert_true(m.scans[2].points[1].at_mm == -0.4 && m.scans[2].points[2].at_mm == 0.4);
	assert_true(m.scans[3].points[0].at_mm == -60.0 && m.scans[3].points[0].dose == 2.0);
	/* along -45 degrees (+x, -y) */
	assert_true(fabs(m.scans[4].points[0].at_mm + hypot(30.0, 30.0)) < 1e-9 && m.scans[4].points[4].dose == 7.0);
	assert_true(m.scans[7].points[1].gap_mm == 10.0);
	assert_string_equal(m.scans[5].where, "a.csv line 29");
	sp_measured_finish(&m);
}

#define W2CAD_DEPTH                                                                                                \
	"$NUMS 003\n$STOM\n%VERSION 02\n%DATE 01-02-26\n%DETY CHA\n%BMTY PHO\n%TYPE OPD\n%AXIS Z\n%PNTS 5\n%STEP " \
	"010\n"                                                                                                    \
	"%SSD 1000\n%FLSZ 040*060\n<+000.0 +000.0 -001.0 +050.0>\n<+000.0 +000.0 +010.0 +099.0>\n"                 \
	"<+000.0 +000.0 +014.0 +100.0>\n<+000.0 +000.0 +050.0 +080.0>\n<+000.0 +000.0 +070.0 +070.0>\n"
#define W2CAD_PROFILE                                                                                     \
	"$STOM\n%BMTY PHO\n%FLSZ 100*100\n%TYPE OPP\n%AXIS Y\n%PNTS 5\n%STEP 200\n%SSD 0950\n%DPTH 050\n" \
	"<+000.0 -060.0 +050.0 +002.0>\n<+000.0 -040.0 +050.0 +090.0>\n<+000.0 +000.0 +050.0 +100.0>\n"   \
	"<+000.0 +040.0 +050.0 +091.0>\n<+000.0 +060.0 +050.0 +003.0>\n$ENOM\n"
#define W2CAD_DIAGONAL                                                                                        \
	"$STOM\r\n%BMTY PHO\r\n%FLSZ 100*100\r\n%TYPE DPR\r\n%AXIS D\r\n%PNTS 5\r\n%SSD 900\r\n%DPTH 100\r\n" \
	"<-060.0 -060.0 +100.0 +003.0>\r\n<-030.0 -030.0 +100.0 +098.0>\r\n<+000.0 +000.0 +100.0 +100.0>\r\n" \
	"<+030.0 +030.0 +100.0 +099.0>\r\n<+060.0 +060.0 +100.0 +004.0>\r\n$ENOM\r\n"
#define W2CAD_WEDGE \
	"$STOM\n%BMTY PHO\n%FLSZ 100*100\n%TYPE WDD\n%AXIS Z\n%SSD 900\n<+000.0 +000.0 +100.0 +003.0>\n$ENOM\n"

static void w2cad_scans_are_read_and_wedges_left_out(void **state)
{
	static const char text[] =
	        W2CAD_DEPTH "<+000.0 +000.0 +090.0 +060.0>\n$ENOM\n" W2CAD_PROFILE W2CAD_WEDGE W2CAD_DIAGONAL "$ENOF\n";
	char *six = strdup(text), *at = strstr(six, "%PNTS 5");
	sp_measured m;
	sp_error err = {0};

	(void)state;
	at[6] = '6';
	if (read_files(&m, DEPTH, six, &err) != SP_OK)
		fail_msg("%s", err.text);
	free(six);
	assert_int_equal(m.n, 4);
	assert_int_equal(m.n_skipped, 1);
	assert_true(m.scans[1].kind == SP_MEASURED_DEPTH && m.scans[1].n == 5 && m.scans[1].ssd_mm == 1000.0);
	assert_true(m.scans[1].points[0].field_mm[0] == 40.0 && m.scans[1].points[0].field_mm[1] == 60.0);
	assert_true(m.scans[1].points[1].depth_mm == 14.0 && m.scans[1].points[1].dose == 100.0);
	assert_true(m.scans[2].direction_deg == 90.0 && m.scans[2].points[1].at_mm == -40.0);
	assert_true(m.scans[2].points[3].dose == 91.0 && m.scans[2].points[0].depth_mm == 50.0);
	assert_true(fabs(m.scans[3].direction_deg - 45.0) < 1e-9);
	assert_true(fabs(m.scans[3].points[3].at_mm - hypot(30.0, 30.0)) < 1e-9 && m.scans[3].points[3].dose == 99.0);
	assert_true(m.scans[3].points[0].depth_mm == 100.0);
	sp_measured_finish(&m);
}

/* What an export of a whole commissioning holds beside open photon fields, with headers of its own. */
static void scans_of_other_kinds_are_left_out(void **state)
{
	static const char others[] = "$STOM\n%TYPE WDD_SSD80\n%WDGL 30\n%SSD 800\n<0 0 10 1>\n$ENOM\n"
	                             "$STOM\n%TYPE WLP\n%AXIS Y\n%FLSZ 100*100\n%SSD 1000\n<0 0 10 1>\n$ENOM\n"
	                             "$STOM\n%FLSZ 10x10\n%AXIS XY\n%BMTY ELE\n%TYPE OPD\n<0 0 10 1>\n<0 9 10>\n$ENOM\n"
	                             "$STOM\n%TYPE TMR\n$ENOM\n";
	char text[2048];
	sp_measured m;
	sp_error err = {0};

	(void)state;
	snprintf(text, sizeof text, "# remark\n%s%s$ENOF\n", others,
	         "$STOM\n%BMTY PHO\n%FLSZ 100 * 100\n%TYPE opp\n%AXIS Y\n%SSD 0950\n%DPTH 050\n"
	         "<0 -60 50 1>\n<0 -50 50 40>\n<0 0 50 100>\n<0 50 50 40>\n<0 60 50 1>\n$ENOM\n");
	if (read_files(&m, DEPTH, text, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.n_skipped, 4);
	assert_true(m.scans[1].kind == SP_MEASURED_PROFILE && m.scans[1].points[0].field_mm[1] == 100.0);
	sp_measured_finish(&m);
}

/* A mark before the header, blanks after $ and %, tails a little below zero, a diagonal from -45 degrees. */
static void what_other_programs_write_is_read(void **state)
{
	static const char asc[] =
	        "$ NUMS 001\n$ STOM\n% BMTY PHO\n% FLSZ 100*100\n% TYPE DPR\n% SSD 900\n% DPTH 100\n"
	        "< +60.0 -60.0 +100.0 -00.3 >\n< +30.0 -30.0 +100.0 +98.0 >\n< +0.0 +0.0 +100.0 +100.0 >\n"
	        "< -30.0 +30.0 +100.0 +99.0 >\n< -60.0 +60.0 +100.0 +0.2 >\n$ ENOM\n$ ENOF\n";
	sp_measured m;
	sp_error err = {0};

	(void)state;
	if (read_files(&m, "\xEF\xBB\xBF" DEPTH "depth,100,80,950,80,0,0,-0.5\n", asc, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_int_equal(m.n, 2);
	assert_true(m.scans[0].n == 6 && m.scans[0].points[5].dose == -0.5);
	assert_true(fabs(m.scans[1].direction_deg + 45.0) < 1e-9);
	assert_true(fabs(m.scans[1].points[0].at_mm + hypot(60.0, 60.0)) < 1e-9 && m.scans[1].points[0].dose == 0.2);
	assert_true(m.scans[1].points[4].dose == -0.3 && m.scans[1].points[2].at_mm == 0.0);
	sp_measured_finish(&m);
}

static void wrong_files_are_refused_with_what_was_expected(void **state)
{
	static const struct {
		const char *csv, *asc, *say;
	} wrong[] = {
	        {NULL, NULL, "holds no measurements"},
	        {"", NULL, "no header line"},
	        {"100,3\n5,2\n", NULL, "no column kind"},
	        {"kind,field_x_cm,field_y_mm,ssd_mm,depth_mm,x_mm,y_mm,dose\n", NULL, "lengths are mm"},
	        {"kind,field_x_mm,field_y_mm,ssd_mm,depth_mm,x_mm,dose\ndepth,1,1,1,1,1,1\n", NULL, "no column y_mm"},
	        {HEADER, NULL, "no row below it"},
	        {HEADER "pdd,100,100,1000,10,0,0,99\n", NULL, "the kind is 'pdd'"},
	        {HEADER "depth,100,100,1000,10,0,0,nan\n", NULL, "found 'nan'"},
	        {HEADER "depth,100,100,1000,10,0,0,\n", NULL, "found ''"},
	        {HEADER "depth,100,100,1000,10,0,0\n", NULL, "line 2 has 7 cells"},
	        {HEADER "depth,100,100,100,10,0,0,99\n", NULL, "source and surface is 100"},
	        {HEADER "depth,4,4,1000,10,0,0,99\n", NULL, "the field along x is 4"},
	        {HEADER "depth,40,40,1000,10,0,20,99\n", NULL, "20 mm beside the axis"},
	        {HEADER "output,40,40,1000,10,0,0,-1\n", NULL, "a dose is -1"},
	        {HEADER "output,40,40,1000,10,0,0,0\noutput,60,60,1000,10,0,0,1\n", NULL, "a dose is 0"},
	        {HEADER "output,40,40,1000,10,0,0,0.9\n", NULL, "stands alone"},
	        {HEADER "output,40,40,1000,10,0,0,1e300\noutput,60,60,1000,10,0,0,1\n", NULL,
	         "greatest dose is 1e+300"},
	        {DEPTH "depth,100,80,950,80,0,0,-2\n", NULL, "a dose is -2"},
	        {DEPTH "depth,100,80,950,70,0.3,0,70\n", NULL, "two values at one place"},
	        {"kind,field_x_mm,field_y_mm,ssd_mm,depth_mm,x_mm,y_mm,uncertainty,dose\n"
	         "absolute,40,40,1000,10,0,0,1e-300,0.01\n",
	         NULL, "uncertainty of a dose of 0.01 is 1e-300"},
	        {HEADER "absolute,40,40,1000,10,0,0,0.98\n", NULL, "expected Gy (about 0.01)"},
	        {HEADER "sweep,40,40,1000,10,0,0,0.1\n", NULL, "needs its gap_mm"},
	        {HEADER "depth,100,100,1000,1,0,0,9\ndepth,100,100,1000,2,0,0,8\n", NULL, "2 points in the water"},
	        {HEADER "depth,100,100,1000,1,0,0,9\ndepth,100,100,1000,2,0,0,9\ndepth,100,100,1000,5,0,0,8\n"
	                "depth,100,100,1000,10,0,0,6\ndepth,100,100,1000,30,0,0,2\n",
	         NULL, "ends at 30, expected one that reaches 50 mm"},
	        {HEADER
	         "profile,100,100,1000,100,-7,0,1\nprofile,100,100,1000,100,-5,0,2\nprofile,100,100,1000,100,0,0,9\n"
	         "profile,100,100,1000,100,5,0,2\nprofile,100,100,1000,100,7,0,1\n",
	         NULL, "lengths are mm, not cm"},
	        {DEPTH "depth,100,80,950,70,0,0,70\n", NULL, "two values at one place"},
	        {NULL, "hello\n", "no scan in it"},
	        {NULL, W2CAD_DEPTH, "it is cut short"},
	        {NULL, "$STOM\n%TYPE OPD\n$STOM\n", "$STOM before the $ENOM"},
	        {NULL, "$ENOM\n", "without a $STOM"},
	        {NULL, "$STOM\n%TYPE OPD\n$ENOM\n", "has no points"},
	        {NULL, "$STOM\n%SSD 1000\n%FLSZ 40*40\n<0 0 10 1>\n", "no %TYPE before them"},
	        {NULL, "$STOM\n%FLSZ 10 x 10\n", "%FLSZ is '10 x 10'"},
	        {NULL, "$STOM\n%AXIS Q\n", "%AXIS is 'Q'"},
	        {NULL, "$STOM\n%SSD far\n", "%SSD is 'far'"},
	        {NULL, "$STOM\n%TYPE OPD\n%SSD 1000\n<0 0 1 2>\n", "no %FLSZ before them"},
	        {NULL, "$STOM\n%TYPE OPP\n%SSD 1000\n%FLSZ 100*100\n<0 0 1 2>\n", "needs %AXIS"},
	        {NULL, "$STOM\n%TYPE OPD\n%SSD 1000\n%FLSZ 100*100\n<0 0 1>\n", "expected <x y z dose>"},
	        {NULL, "$STOM\n%TYPE OPD\n%SSD 1000\n%FLSZ 100*100\n<0 0 nan 1>\n", "expected <x y z dose>"},
	        {NULL, W2CAD_DEPTH "$ENOM\n$STOM\n%TYPE OPD\n%SSD 1000\n%FLSZ 40*40\n%PNTS 3\n<0 0 10 1>\n$ENOM\n",
	         "has 1 points, and %PNTS says 3"},
	        {NULL, "$STOM\n%TYPE OPP\n%AXIS X\n%SSD 1000\n%FLSZ 40*40\n<0 20 10 1>\n", "20 mm beside the axis"},
	        {NULL, "$STOM\n%TYPE WDD\n%SSD 1000\n%FLSZ 40*40\n<0 0 10 1>\n%TYPE OPD\n<0 0 20 1>\n$ENOM\n",
	         "%TYPE after the scan's first point"},
	        {NULL, "$STOM\n%TYPE DPR\n%SSD 1000\n%FLSZ 40*40\n<-9 -9 10 1>\n<10 0 10 1>\n", "mm beside the axis"},
	        {NULL,
	         "$STOM\n%TYPE OPP\n%AXIS X\n%SSD 1000\n%FLSZ 40*40\n<-30 0 90 1>\n<-10 0 80 9>\n<0 0 70 9>\n"
	         "<10 0 60 9>\n<30 0 50 1>\n$ENOM\n",
	         "has points 90 and 80 mm deep"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		sp_measured m;
		sp_error err = {0};

		assert_int_equal(read_files(&m, wrong[i].csv, wrong[i].asc, &err), SP_BAD_INPUT);
		if (!strstr(err.text, wrong[i].say))
			fail_msg("case %zu: expected '%s', found '%s'", i, wrong[i].say, err.text);
		assert_int_equal(m.n, 0);
	}
	{
		sp_measured m;
		sp_error err = {0};

		assert_int_equal(sp_measured_read(&m, "no such folder", &err), SP_BAD_INPUT);
		assert_non_null(strstr(err.text, "no such folder"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_table_becomes_scans_by_kind_field_and_line),
	        cmocka_unit_test(w2cad_scans_are_read_and_wedges_left_out),
	        cmocka_unit_test(scans_of_other_kinds_are_left_out),
	        cmocka_unit_test(what_other_programs_write_is_read),
	        cmocka_unit_test(wrong_files_are_refused_with_what_was_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
