/* A metastasis of T8 in body and left pedicle, with or without epidural disease. The anatomy is in spine.c, vertebra.c,
 * tumour.c, thorax.c and ribs.c, the case made of it in spine_case.c. */
#include "spine_case.h"

sp_status sp_phantom_thoracic_spine(sp_case **out, const sp_phantom_options *o, sp_error *err)
{
	int grade = o->given & SP_PHANTOM_GRADE ? o->epidural_grade : 0;
	const sp_spine spine = {.canal_grade = grade, .tumour_grade = grade};
	sp_status st = sp_spine_case(out, &spine, o, NULL, err);

	if (st == SP_OK)
		sp_spine_case_place(*out);
	return st;
}
