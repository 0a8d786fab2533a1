/* Names of dose-volume metrics: reading and writing them. Their values come from a DVH: evaluate.c. */
#include "metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A plain number without sign, exponent or hex: what stands in a metric's name. */
static bool take_number(double *out, const char **at)
{
	const char *start = *at;
	size_t n = strspn(start, "0123456789.");
	char text[24], *end;

	if (n == 0 || n >= sizeof text)
		return false;
	memcpy(text, start, n);
	text[n] = '\0';
	*out = strtod(text, &end);
	*at = start + n;
	return *end == '\0' && isfinite(*out);
}

static bool take_word(const char **at, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

/* The unit of a volume: "%", "_pct" or "_cc", "cc"; nothing else may follow. */
static bool take_volume_unit(bool *percent, const char *at)
{
	*percent = strcmp(at, "%") == 0 || strcmp(at, "_pct") == 0;
	return *percent || strcmp(at, "_cc") == 0 || strcmp(at, "cc") == 0;
}

static bool parse_dose(sp_metric *out, const char *at)
{
	bool cold = false;

	if (take_word(&at, "max"))
		out->kind = SP_METRIC_DMAX;
	else if (take_word(&at, "min"))
		out->kind = SP_METRIC_DMIN;
	else if (take_word(&at, "mean"))
		out->kind = SP_METRIC_DMEAN;
	else {
		cold = take_word(&at, "C");
		if (!take_number(&out->x, &at))
			return false;
		if (take_word(&at, "cc")) {
			out->kind = cold ? SP_METRIC_DOSE_OF_COLDEST_CC : SP_METRIC_DOSE_AT_CC;
		} else {
			if (cold || out->x > 100)
				return false;
			out->kind = SP_METRIC_DOSE_AT_PERCENT;
			take_word(&at, "%");
		}
	}
	take_word(&at, "_Gy");
	return *at == '\0';
}

static bool parse_volume(sp_metric *out, const char *at, bool below)
{
	if (!take_number(&out->x, &at))
		return false;
	if (take_word(&at, "Gy")) {
		out->kind = below ? SP_METRIC_VOLUME_BELOW_GY : SP_METRIC_VOLUME_AT_GY;
		return take_volume_unit(&out->percent, at);
	}
	if (below)
		return false;
	out->kind = SP_METRIC_VOLUME_AT_PERCENT;
	if (strcmp(at, "%") == 0 || strcmp(at, "_pct") == 0) {
		out->percent = true;
		return true;
	}
	take_word(&at, "%");
	return strcmp(at, "_cc") == 0;
}

sp_status sp_metric_parse(sp_metric *out, const char *text, sp_error *err)
{
	bool good = false;

	*out = (sp_metric){0};
	if (text[0] == 'D')
		good = parse_dose(out, text + 1);
	else if (text[0] == 'V')
		good = parse_volume(out, text + 1, false);
	else if (strncmp(text, "CV", 2) == 0)
		good = parse_volume(out, text + 2, true);
	if (!good)
		return sp_fail(err, SP_BAD_INPUT,
		               "'%s' is no metric; expected one like Dmax, Dmean, D0.03cc, D95%%, DC1500cc, V20Gy%%, "
		               "V17Gy_cc, V100%% or CV7Gy_cc",
		               text);
	return SP_OK;
}

void sp_metric_key(char out[SP_METRIC_KEY_BYTES], const sp_metric *m)
{
	const char *volume = m->percent ? "pct" : "cc";

	switch (m->kind) {
	case SP_METRIC_DMAX:
		snprintf(out, SP_METRIC_KEY_BYTES, "Dmax_Gy");
		break;
	case SP_METRIC_DMIN:
		snprintf(out, SP_METRIC_KEY_BYTES, "Dmin_Gy");
		break;
	case SP_METRIC_DMEAN:
		snprintf(out, SP_METRIC_KEY_BYTES, "Dmean_Gy");
		break;
	case SP_METRIC_DOSE_AT_CC:
		snprintf(out, SP_METRIC_KEY_BYTES, "D%.8gcc_Gy", m->x);
		break;
	case SP_METRIC_DOSE_AT_PERCENT:
		snprintf(out, SP_METRIC_KEY_BYTES, "D%.8g_Gy", m->x);
		break;
	case SP_METRIC_DOSE_OF_COLDEST_CC:
		snprintf(out, SP_METRIC_KEY_BYTES, "DC%.8gcc_Gy", m->x);
		break;
	case SP_METRIC_VOLUME_AT_GY:
		snprintf(out, SP_METRIC_KEY_BYTES, "V%.8gGy_%s", m->x, volume);
		break;
	case SP_METRIC_VOLUME_AT_PERCENT:
		snprintf(out, SP_METRIC_KEY_BYTES, "V%.8g_%s", m->x, volume);
		break;
	case SP_METRIC_VOLUME_BELOW_GY:
		snprintf(out, SP_METRIC_KEY_BYTES, "CV%.8gGy_%s", m->x, volume);
		break;
	}
}

const char *sp_metric_unit(const sp_metric *m)
{
	if (m->kind < SP_METRIC_VOLUME_AT_GY)
		return "Gy";
	return m->percent ? "%" : "cc";
}
