/* Samples for the tests of the Monte Carlo's distributions: each kernel calls the function that the transport calls and
 * writes what it draws. One work-item draws sample gid of n; where lanes draw together, sample gid of lane l is
 * out[l * n + gid]. Not part of the program: tests/mc_fixture.c reads this file. */
#include "mc_transport.cl"

static random_stream stream_of(uint gid, uint seed)
{
	random_stream r = {(uint4)(gid, 0, 1, 0), (uint2)(seed, 0x53414d50u), (float4)(0.0f), 0};

	return r;
}

static void store(global float *out, uint n, fv x)
{
	float_lanes lanes;

	lanes.v = x;
	for (uint l = 0; l < SP_LANES; l++)
		out[l * n + get_global_id(0)] = lanes.at[l];
}

static fv load(global const float *in, uint n)
{
	float_lanes lanes;

	for (uint l = 0; l < SP_LANES; l++)
		lanes.at[l] = in[l * n];
	return lanes.v;
}

/* in: counter and key, 6 words a case. */
kernel void philox_words(global uint *out, uint n, global const uint *in)
{
	uint i = get_global_id(0);

	if (i < n) {
		uint4 bits = philox((uint4)(in[6 * i], in[6 * i + 1], in[6 * i + 2], in[6 * i + 3]),
		                    (uint2)(in[6 * i + 4], in[6 * i + 5]));

		out[4 * i] = bits.x;
		out[4 * i + 1] = bits.y;
		out[4 * i + 2] = bits.z;
		out[4 * i + 3] = bits.w;
	}
}

/* out[0..]: the numbers of draw(), 7 a work-item; then those of lane_uniform(). */
kernel void uniform_samples(global float *out, uint n, uint seed)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i >= n)
		return;
	for (uint j = 0; j < 7; j++)
		out[j * n + i] = draw(&r);
	store(out + 7 * n, n, lane_uniform((uint4)(i, 0, 2, 0), (uint2)(seed, 0), 5));
}

/* out: the share of the energy, the cosine. */
kernel void compton_samples(global float *out, uint n, uint seed, float energy)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n) {
		float first = draw(&r), second = draw(&r), cosine;

		out[i] = sample_compton(&cosine, energy, first, second, &r);
		out[n + i] = cosine;
	}
}

kernel void photoelectron_samples(global float *out, uint n, uint seed, float energy)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n)
		out[i] = sample_photoelectron(energy, &r);
}

kernel void rayleigh_samples(global float *out, uint n, uint seed, float width)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n)
		out[i] = sample_rayleigh(width, &r);
}

/* out: the electron's share of a pair's kinetic energy, the cosine of a particle of kinetic energy `energy`. */
kernel void pair_samples(global float *out, uint n, uint seed, float energy, global const float *pair_share)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);
	transport t;

	if (i < n) {
		t.pair_share = pair_share;
		out[i] = sample_pair_share(&t, energy, draw(&r));
		out[n + i] = boosted_cosine(energy, draw(&r));
	}
}

/* energies: one a lane. out: shares of all lanes, cosines of the knock-on electrons, of the others. */
kernel void moller_samples(global float *out, uint n, uint seed, float cut, global const float *energies)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n) {
		fv energy = load(energies, 1), share = sample_moller(energy, cut, IV(-1), &r);

		store(out, n, share);
		store(out + SP_LANES * n, n, moller_cosine(energy, share * energy));
		store(out + 2 * SP_LANES * n, n, moller_cosine(energy, energy - share * energy));
	}
}

/* energies: one a lane. out: shares that positrons lose, all lanes. */
kernel void bhabha_samples(global float *out, uint n, uint seed, float cut, global const float *energies)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n)
		store(out, n, sample_bhabha(load(energies, 1), cut, IV(-1), &r));
}

/* out: one photon's energy, its cosine, the other's cosine. */
kernel void annihilation_samples(global float *out, uint n, uint seed, float energy)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n) {
		float cosine, other;

		out[i] = sample_annihilation(&cosine, &other, energy, &r);
		out[n + i] = cosine;
		out[2 * n + i] = other;
	}
}

/* Positrons that have stopped, of these weights, lane l at x = l. out: of both photons x, direction, energy and weight,
 * 6 columns each. */
kernel void rest_samples(global float *out, uint n, uint seed, global const float *weights)
{
	uint i = get_global_id(0);
	photon_stack photons;
	electron_set e;
	transport t;

	if (i >= n)
		return;
	t.base = (uint4)(i, 0, 0, 0);
	t.key = (uint2)(seed, 0);
	e.x = TO_FV(lane_numbers());
	e.y = e.z = e.u = e.v = FV(0.0f);
	e.w = FV(1.0f);
	e.object = 1;
	photons.n = 0;
	annihilate_at_rest(&t, &photons, &e, load(weights, 1), 5);
	for (int k = 0; k < 2; k++) {
		const photon *p = photons.at + k;
		global float *to = out + 6 * k * n + i;

		to[0] = p->x;
		to[n] = p->u;
		to[2 * n] = p->v;
		to[3 * n] = p->w;
		to[4 * n] = p->energy;
		to[5 * n] = p->weight;
	}
	if (photons.n != 2)
		out[i] = -1.0f;
}

/* energies, materials: one a lane. out: photon energies. */
kernel void brems_samples(global float *out, uint n, uint seed, constant sp_mc_setup *setup, global const float *brems,
                          global const float *energies, global const uint *materials)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);
	transport t;
	uint_lanes material;

	if (i >= n)
		return;
	t.setup = setup;
	t.brems = brems;
	for (uint l = 0; l < SP_LANES; l++)
		material.at[l] = materials[l];
	store(out, n, brems_energy(&t, load(energies, 1), material.v, draw(&r)));
}

/* out: lanes. weights: one a lane; their sum goes to out[n..]. */
kernel void chosen_lanes(global float *out, uint n, uint seed, global const float *weights)
{
	uint i = get_global_id(0);
	random_stream r = stream_of(i, seed);

	if (i < n) {
		float sum;

		out[i] = (float)choose_lane(load(weights, 1), draw(&r), &sum);
		out[n + i] = sum;
	}
}

/* out: hinge, node, cosine, sine, event, accept of each object's step number `step`; then 1 where step_of(), asked for
 * steps in order and again, gives the same numbers. */
kernel void step_samples(global float *out, uint n, uint seed, uint step)
{
	uint i = get_global_id(0);
	transport t;
	kept_numbers kept;
	step_numbers s, again;

	if (i >= n)
		return;
	t.base = (uint4)(i, 0, 0, 0);
	t.key = (uint2)(seed, 0);
	kept.object = 0;
	kept.filled = 0;
	s = draw_step(&t, 7, step);
	out[i] = s.hinge;
	out[n + i] = (float)s.node;
	out[2 * n + i] = s.cosine;
	out[3 * n + i] = s.sine;
	out[4 * n + i] = s.event;
	out[5 * n + i] = s.accept;
	for (uint j = 0; j <= step; j++)
		again = step_of(&t, &kept, 7, j);
	out[6 * n + i] = again.hinge == s.hinge && again.node == s.node && again.event == s.event ? 1.0f : 0.0f;
	again = step_of(&t, &kept, 7, step);
	if (again.hinge != s.hinge || again.node != s.node || again.accept != s.accept)
		out[6 * n + i] = 0.0f;
}

/* y = (1 - cosine)/2 of scattering with strengths k (one a lane) and screening number eta. */
kernel void scattering_samples(global float *out, uint n, uint seed, float eta, global const float *strengths,
                               global const float *scattering)
{
	uint i = get_global_id(0);
	transport t;

	if (i < n) {
		t.base = (uint4)(i, 0, 0, 0);
		t.key = (uint2)(seed, 1);
		t.scattering = scattering;
		store(out, n, scattering_y(&t, draw_step(&t, 9, 0).node, FV(eta), load(strengths, 1)));
	}
}

/* in: u, v, w, cosine, sine, cosine and sine of the azimuth, each [lane][n]; out: u, v, w. */
kernel void turned(global float *out, uint n, global const float *in, uint times)
{
	uint i = get_global_id(0), m = n * SP_LANES;

	if (i < n) {
		fv u = load(in + i, n), v = load(in + m + i, n), w = load(in + 2 * m + i, n);

		for (uint j = 0; j < times; j++)
			turn(&u, &v, &w, load(in + 3 * m + i, n), load(in + 4 * m + i, n), load(in + 5 * m + i, n),
			     load(in + 6 * m + i, n));
		store(out, n, u);
		store(out + m, n, v);
		store(out + 2 * m, n, w);
	}
}

/* The low-discrepancy numbers of points 0 .. n - 1: out[dimension][n]. */
kernel void sequence_samples(global float *out, uint n, uint seed, constant uint *alpha)
{
	uint i = get_global_id(0);
	source_tables from;

	from.alpha = alpha;
	for (uint d = 0; d < SP_MC_DIMS; d++)
		from.shift[d] = (d + 1) * seed;
	if (i < n)
		for (int d = 0; d < SP_MC_DIMS; d++)
			out[(uint)d * n + i] = low_discrepancy(&from, i, d);
}

/* Where the histories of one batch start: out: rectangle, x and y in it (-1..1), each [n]. */
kernel void line_samples(global float *out, uint n, uint seed, constant sp_mc_source *source,
                         global const sp_mc_rectangle *rectangles)
{
	uint i = get_global_id(0);
	source_tables from;
	float x, y;

	from.source = source;
	from.rectangles = rectangles;
	from.start = seed;
	if (i >= n)
		return;
	out[i] = (float)place_on_line(&x, &y, &from, i);
	out[n + i] = x;
	out[2 * n + i] = y;
}

/* Particles as they leave the source: out: rectangle, energy, weight, x, y, z, u, v, w, then 1 and x, y, z where they
 * enter the box of `extent` (cm), or 0; each [n]. numbers: of rectangle, energy, x and y, each [n]. */
kernel void source_samples(global float *out, uint n, constant sp_mc_source *source, global const sp_mc_beam *beams,
                           global const sp_mc_rectangle *rectangles, global const float *spectrum,
                           global const float *numbers, constant float *extent)
{
	uint i = get_global_id(0), rectangle;
	source_tables from;
	photon p;

	if (i >= n)
		return;
	from.source = source;
	from.beams = beams;
	from.rectangles = rectangles;
	from.spectrum = spectrum;
	rectangle = find_rectangle(&from, (uint)(numbers[i] * 4294967040.0f));
	p = start_photon(&from, rectangle, 2.0f * numbers[2 * n + i] - 1.0f, 2.0f * numbers[3 * n + i] - 1.0f,
	                 sample_energy(&from, 0, numbers[n + i]));
	out[i] = (float)rectangle;
	out[n + i] = p.energy;
	out[2 * n + i] = p.weight;
	out[3 * n + i] = p.x;
	out[4 * n + i] = p.y;
	out[5 * n + i] = p.z;
	out[6 * n + i] = p.u;
	out[7 * n + i] = p.v;
	out[8 * n + i] = p.w;
	out[9 * n + i] = enter(&p, extent) ? 1.0f : 0.0f;
	out[10 * n + i] = p.x;
	out[11 * n + i] = p.y;
	out[12 * n + i] = p.z;
}

/* Sites of photons that start at `from` in direction `along`: out: x, y, z, weight, material of each, [n_sites][n];
 * then [n] each: the chosen site's number, whether all are of one material. */
kernel void site_samples(global float *out, uint n, uint seed, constant sp_mc_setup *setup, global const uint *voxels,
                         global const sp_mc_brick *bricks, global const float *attenuation, global const uint *class_of,
                         float energy, uint n_sites, constant float *from, constant float *along)
{
	uint i = get_global_id(0), m = n * n_sites;
	random_stream r = stream_of(i, seed);
	transport t;
	photon p = {from[0], from[1], from[2], along[0], along[1], along[2], energy, 1.0f};
	photon_tables tables;
	ray_path path;
	photon_sites sites;
	int block = 0, lane_number = 0;

	if (i >= n)
		return;
	t.setup = setup;
	t.voxels = voxels;
	t.bricks = bricks;
	t.attenuation = attenuation;
	t.class_of = class_of;
	t.base = (uint4)(i, 0, 0, 0);
	t.key = (uint2)(seed, 2);
	look_up(&tables, &t, energy);
	trace_bricks(&path, &t, &p, &tables);
	{
		float number = draw(&r), choice = draw(&r);

		place_sites(&sites, &t, &p, &tables, &path, (int)n_sites, number, 3);
		if (sites.there > 0)
			choose_site(&block, &lane_number, &sites, (float)sites.there / (float)n_sites, choice);
	}
	for (uint j = 0; j < n_sites; j++) {
		int b = (int)(j / SP_LANES), l = (int)(j % SP_LANES), there = b < sites.blocks;

		out[j * n + i] = there ? sites.x[b].at[l] : 0.0f;
		out[m + j * n + i] = there ? sites.y[b].at[l] : 0.0f;
		out[2 * m + j * n + i] = there ? sites.z[b].at[l] : 0.0f;
		out[3 * m + j * n + i] = there ? sites.weight[b].at[l] : 0.0f;
		out[4 * m + j * n + i] = there ? (float)(sites.word[b].at[l] >> 24) : 0.0f;
	}
	out[5 * m + i] = sites.there ? (float)(block * SP_LANES + lane_number) : -1.0f;
	out[5 * m + n + i] = (float)sites.alike;
}

/* What gets through the leaves of interval 0 at (x, y): places: x, y (cm in the isocentre plane) and the share of the
 * way between the control points, each [n]. */
kernel void leaf_samples(global float *out, uint n, constant sp_mc_head *head, global const sp_mc_interval *intervals,
                         global const float *numbers, global const float *places)
{
	uint i = get_global_id(0);

	if (i < n)
		out[i] = through_leaves(head, intervals, numbers, places[i], places[n + i], places[2 * n + i], false);
}

/* Photons of one rectangle, evenly over it: out: weight, x, y, z, u, v, w, row of the energies, each [n]. */
kernel void head_samples(global float *out, uint n, constant sp_mc_head *head, global const sp_mc_interval *intervals,
                         global const float *numbers, global const sp_mc_rectangle *rectangle)
{
	uint i = get_global_id(0), row;
	head_tables t = {head, intervals, numbers};
	uint2 key = (uint2)(7, 0x48454144u);
	float4 where = uniform4(philox((uint4)(i, 0, 1, 0), key));
	photon p;

	if (i >= n)
		return;
	p = leave_head(&row, &t, *rectangle, 2.0f * where.x - 1.0f, 2.0f * where.y - 1.0f, (uint4)(i, 0, 0, 0), key, 0);
	out[i] = p.weight;
	out[n + i] = p.x;
	out[2 * n + i] = p.y;
	out[3 * n + i] = p.z;
	out[4 * n + i] = p.u;
	out[5 * n + i] = p.v;
	out[6 * n + i] = p.w;
	out[7 * n + i] = (float)row;
}
