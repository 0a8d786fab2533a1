/* Arithmetic of pencil.cl: the error function on eight lanes, and how much of a Gaussian falls into each bixel. */
#ifndef SP_PENCIL_SPREAD_H
#define SP_PENCIL_SPREAD_H

/* erf(x) as x P(x^2) / Q(x^2) for |x| < 3.9, beyond which it is 1 within a float's precision: our own least-maximum
 * fit, 1.5e-8 off at most, 3e-7 with float rounding. */
static float8 erf8(float8 x)
{
	x = clamp(x, -3.9f, 3.9f);
	const float8 z = x * x;
	float8 p = fma(z, (float8)(2.050384920e-06f), (float8)(2.874578597e-04f));
	float8 q = fma(z, (float8)(3.823074971e-05f), (float8)(1.181739890e-03f));
	p = fma(p, z, (float8)(3.836897499e-03f));
	q = fma(q, z, (float8)(1.510924644e-02f));
	p = fma(p, z, (float8)(5.296698321e-02f));
	q = fma(q, z, (float8)(1.147584016e-01f));
	p = fma(p, z, (float8)(1.919414901e-01f));
	q = fma(q, z, (float8)(5.034354946e-01f));
	p = fma(p, z, (float8)(1.128379032e+00f));
	q = fma(q, z, (float8)(1.0f));
	return x * p / q;
}

/* share[0..n-1] = scale times the part of a Gaussian (standard deviation sigma, centred at 0) that falls into n
 * neighbouring bins of the given width, the first beginning at `edge`. Writes whole eights: share holds at least n
 * rounded up to 8, plus 8. What it writes beyond n is finite, but means nothing. */
static void gaussian_shares(float *share, uint n, float edge, float width, float sigma, float scale)
{
	const float to_erf = M_SQRT1_2_F / sigma;
	const float8 ramp = (float8)(0, 1, 2, 3, 4, 5, 6, 7) * (width * to_erf);

	/* The values at the lower edges first; then each bin is the difference to its upper edge. */
	for (uint c = 0; c <= n; c += 8)
		vstore8(erf8(ramp + (edge + width * (float)c) * to_erf), 0, share + c);
	for (uint c = 0; c < n; c += 8) {
		float8 low = vload8(0, share + c);
		float8 high = (float8)(low.s1234, low.s567, c + 8 <= n ? share[c + 8] : low.s7);
		vstore8((high - low) * (0.5f * scale), 0, share + c);
	}
}

#endif
