/* Layers and boxes of the slab phantom from text. */
#include "phantoms_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Copies the word before the first colon and returns what follows it, or NULL. */
static const char *take_material(sp_phantom_part *out, const char *text, sp_error *err)
{
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	*out = (sp_phantom_part){0};
	if (n == 0 || n >= sizeof out->material) {
		sp_fail(err, SP_BAD_INPUT, "'%s' names no material, expected for example titanium:10", text);
		return NULL;
	}
	memcpy(out->material, text, n);
	return colon + 1;
}

sp_status sp_phantom_parse_layer(sp_phantom_part *out, const char *text, sp_error *err)
{
	const char *rest = take_material(out, text, err);
	char *end;

	if (!rest)
		return SP_BAD_INPUT;
	out->thickness_mm = strtod(rest, &end);
	if (end == rest || !(out->thickness_mm > 0.0) || !isfinite(out->thickness_mm))
		return sp_fail(err, SP_BAD_INPUT, "layer '%s' has no thickness, expected MATERIAL:THICKNESS_MM", text);
	if (*end == ':') {
		rest = end + 1;
		out->density_g_cm3 = strtod(rest, &end);
		if (end == rest || !(out->density_g_cm3 > 0.0) || !(out->density_g_cm3 < 30.0))
			return sp_fail(err, SP_BAD_INPUT, "layer '%s' has no valid density, expected 0 to 30 g/cm3",
			               text);
	}
	if (*end)
		return sp_fail(err, SP_BAD_INPUT, "layer '%s' ends in '%s', expected MATERIAL:THICKNESS_MM[:G_CM3]",
		               text, end);
	return SP_OK;
}

sp_status sp_phantom_parse_box(sp_phantom_part *out, const char *text, sp_error *err)
{
	const char *rest = take_material(out, text, err);
	double edge[6];

	if (!rest)
		return SP_BAD_INPUT;
	out->is_box = true;
	for (int i = 0; i < 6; i++) {
		char *end;

		edge[i] = strtod(rest, &end);
		if (end == rest || *end != (i < 5 ? ',' : '\0') || !isfinite(edge[i]))
			return sp_fail(err, SP_BAD_INPUT, "box '%s' is not MATERIAL:x0,x1,y0,y1,z0,z1 (mm)", text);
		rest = end + 1;
	}
	for (int a = 0; a < 3; a++) {
		out->low_mm[a] = edge[2 * a];
		out->high_mm[a] = edge[2 * a + 1];
		if (!(out->low_mm[a] < out->high_mm[a]))
			return sp_fail(err, SP_BAD_INPUT, "box '%s' is empty along %c: %g to %g", text, "xyz"[a],
			               out -> low_mm[a], out -> high_mm[a]);
	}
	return SP_OK;
}
