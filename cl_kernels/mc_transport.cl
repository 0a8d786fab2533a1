/* Monte Carlo: histories of photons, electrons and positrons in voxels. Equations and sources: docs/physics.md.
 *
 * Work-items take the histories of a batch in chunks, the next one from a counter. A history's random numbers depend on
 * the seed and its number alone and its energy is tallied in integers, so that the sum is the same whoever follows it.
 * The parts: mc_photon.h (flights and interactions), mc_electron.h (electrons), mc_source.h, mc_geometry.h (voxels and
 * tally), mc_machine.h, mc_random.h, mc_lanes.h (vectors). Buffers: shared/mc.h. */
#include "shared/mc.h"
#include "shared/mc_head.h"
#include "shared/mc_leaves.h"

#ifndef SP_MATERIALS
#define SP_MATERIALS 16
#endif
#ifndef SP_MOST_SITES
#define SP_MOST_SITES 128
#endif

#ifndef SP_SETS
#define SP_SETS 1 /* sets of electrons that are followed together; more only helps where sets are short of work */
#endif
#ifndef SP_SEQUENCE
#define SP_SEQUENCE 1 /* 0: a source of independent random numbers */
#endif
#ifndef SP_SAME_GRID
#define SP_SAME_GRID 0 /* 1: the tally's grid is the geometry's */
#endif
#ifndef SP_BOXES
#define SP_BOXES 1 /* 0: few bricks are uniform */
#endif
#ifndef SP_REPEAT
#define SP_REPEAT 1 /* 0: every electron is followed by itself */
#endif
#ifndef SP_HEAD
#define SP_HEAD 0 /* 1: photons come from a machine's head (mc_machine.h) */
#endif
#define SP_TRACKS 2 /* materials in which one electron's track is kept */

#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable

/* With a tally for each work-item, adding needs no atomics. */
#ifndef SP_OWN_TALLY
#define SP_OWN_TALLY 0
#endif
#if SP_OWN_TALLY
#define TALLY_ADD(cell, units) (*(cell) += (long)(units))
#else
#define TALLY_ADD(cell, units)                                                   \
	do {                                                                     \
		if (units)                                                       \
			atom_add((volatile global long *)(cell), (long)(units)); \
	} while (0)
#endif

#include "mc_lanes.h"
#include "mc_random.h"
#include "mc_geometry.h"
#include "mc_photon_stack.h"
#include "mc_electron.h"
#include "mc_track.h"
#include "mc_photon.h"
#include "mc_machine.h"
#include "mc_source.h"

/* One history, to its end: particle `index` of the source's sequence, from a point (-1..1) of a rectangle. */
static void follow_history(transport *t, const source_tables *from, work_space *space, long *accounted, ulong history,
                           uint index, uint rectangle, float x, float y)
{
	photon_stack photons;
	float emitted = 0.0f, energy;
	bool electrons;
	photon p;
#if SP_HEAD
	uint row;
#endif

	t->base = (uint4)((uint)history, (uint)(history >> 32), 0, 0);
	t->next_object = 1;
	t->escaped = t->lost = t->balance = 0.0f;
	space->kept.object = 0;
	space->kept.filled = 0;
	photons.n = 0;
	energy = low_discrepancy(from, index, SP_MC_DIM_ENERGY);
#if SP_HEAD
	p = leave_head(&row, &from->head, from->rectangles[rectangle], x, y, t->base, t->key, 0);
	electrons = from->rectangles[rectangle].kind == SP_MC_ELECTRONS;
	/* the row is a stopped particle's too, which has weight 0 */
	energy = p.energy = sample_energy(from, electrons ? from->head.head->n_radii + 1 : row, energy);
#else
	energy = sample_energy(from, 0, energy);
	p = start_photon(from, rectangle, x, y, energy);
	electrons = from->source->electrons;
#endif
	if (electrons) {
		/* lanes start at places of their own, evenly spread over the rectangle */
		electron_set e[SP_SETS];
		float_lanes px, py, pz, pu, pv, pw, weight;

		for (int l = 0; l < SP_LANES; l++) {
			float fx = x + 2.0f * (float)(l % 4) / min(SP_LANES, 4),
			      fy = y + 2.0f * (float)(l / 4) / max(SP_LANES / 4, 1);
			bool hits;

			fx = fx > 1.0f ? fx - 2.0f : fx;
			fy = fy > 1.0f ? fy - 2.0f : fy;
#if SP_HEAD
			p = leave_head(&row, &from->head, from->rectangles[rectangle], fx, fy, t->base, t->key,
			               (uint)l);
#else
			p = start_photon(from, rectangle, fx, fy, energy);
#endif
			hits = enter(&p, t->setup->extent_cm);

			px.at[l] = p.x;
			py.at[l] = p.y;
			pz.at[l] = p.z;
			pu.at[l] = p.u;
			pv.at[l] = p.v;
			pw.at[l] = p.w;
			weight.at[l] = hits ? p.weight / SP_LANES : 0.0f;
			emitted += energy * p.weight / SP_LANES;
			if (!hits)
				t->escaped += energy * p.weight / SP_LANES;
		}
		e->x = px.v;
		e->y = py.v;
		e->z = pz.v;
		e->u = pu.v;
		e->v = pv.v;
		e->w = pw.v;
		e->energy = FV(energy);
		e->weight = weight.v;
		e->object = t->next_object++;
		e->positron = 0;
		for (int j = 1; j < SP_SETS; j++) {
			e[j] = e[0];
			e[j].weight = FV(0.0f);
		}
		follow(t, &photons, e, &space->kept);
	} else {
		first_numbers numbers;

		emitted += energy * p.weight;
		if (!enter(&p, t->setup->extent_cm))
			p.weight = 0.0f;
		t->escaped += emitted - energy * p.weight;
		numbers.site = low_discrepancy(from, index, SP_MC_DIM_SITE);
		numbers.chosen = low_discrepancy(from, index, SP_MC_DIM_CHOSEN);
		numbers.compton = low_discrepancy(from, index, SP_MC_DIM_COMPTON);
		numbers.azimuth = low_discrepancy(from, index, SP_MC_DIM_AZIMUTH);
		if (p.weight > 0.0f)
			follow_photon(t, &photons, space, &p, &numbers);
	}
	while (photons.n > 0) {
		p = photons.at[--photons.n];
		if (p.energy < t->setup->photon_cut) {
			deposit(t, FV(p.x), FV(p.y), FV(p.z),
			        PICK(HOLDS(lane_numbers() == IV(0)), FV(p.energy * p.weight), FV(0.0f)));
			continue;
		}
		follow_photon(t, &photons, space, &p, 0);
	}
	/* history by history, so that the sums do not depend on who follows which */
	accounted[SP_MC_ACCOUNT_EMITTED] += (long)(emitted * SP_MC_TALLY_UNIT);
	accounted[SP_MC_ACCOUNT_ESCAPED] += (long)(t->escaped * SP_MC_TALLY_UNIT);
	accounted[SP_MC_ACCOUNT_BALANCE] += (long)(t->balance * SP_MC_TALLY_UNIT);
	accounted[SP_MC_ACCOUNT_LOST] += (long)(t->lost * SP_MC_TALLY_UNIT);
}

/* The arguments that all kernels of transport begin with. */
#define TRANSPORT_ARGUMENTS                                                                                      \
	constant sp_mc_setup *setup, global const uint *voxels, global const sp_mc_brick *bricks,                \
	        global const float *attenuation, global const float *compton, global const float *photoelectric, \
	        global const float *pair, global const float *rayleigh, global const float4 *electron,           \
	        global const float4 *event, global const float *scattering, global const float *brems,           \
	        global const float *pair_share, global const uint *class_of, constant sp_mc_source *source,      \
	        global const sp_mc_beam *beams, global const sp_mc_rectangle *rectangles,                        \
	        global const float *spectrum, constant uint *alpha, constant sp_mc_head *head,                   \
	        global const sp_mc_interval *intervals, global const float *head_numbers

#define TAKE_ARGUMENTS(t, from)                          \
	t.setup = setup;                                 \
	t.voxels = voxels;                               \
	t.bricks = bricks;                               \
	t.attenuation = attenuation;                     \
	t.compton = compton;                             \
	t.photoelectric = photoelectric;                 \
	t.pair = pair;                                   \
	t.rayleigh = rayleigh;                           \
	t.electron = electron;                           \
	t.event = event;                                 \
	t.scattering = scattering;                       \
	t.brems = brems;                                 \
	t.pair_share = pair_share;                       \
	t.class_of = class_of;                           \
	t.key = (uint2)(setup->seed[0], setup->seed[1]); \
	from.source = source;                            \
	from.beams = beams;                              \
	from.rectangles = rectangles;                    \
	from.spectrum = spectrum;                        \
	from.alpha = alpha;                              \
	from.head.head = head;                           \
	from.head.intervals = intervals;                 \
	from.head.numbers = head_numbers

kernel void mc_transport(TRANSPORT_ARGUMENTS, global long *tally, global long *accounts, global int *counter,
                         ulong first_history, uint n_histories, uint chunk)
{
	transport t;
	source_tables from;
	work_space space;
	ulong batch = first_history / source->batch_histories;
	long accounted[SP_MC_ACCOUNTS] = {0};

	TAKE_ARGUMENTS(t, from);
	t.tally = tally + (SP_OWN_TALLY ? get_global_id(0) * (size_t)(setup->tally_n[3] + 1) : 0);
	for (uint d = 0; d < SP_MC_DIMS; d++) /* the batch's shift of the sequence */
		from.shift[d] = philox((uint4)((uint)batch, (uint)(batch >> 32), 0xffffffffu, d), t.key).x;
	from.start = philox((uint4)((uint)batch, (uint)(batch >> 32), 0xfffffffeu, 0), t.key).x;
	for (;;) {
		uint begin = (uint)atomic_inc(counter) * chunk;

		if (begin >= n_histories)
			break;
		for (uint i = begin; i < min(begin + chunk, n_histories); i++) {
			ulong history = first_history + i;
			uint index = (uint)(history % source->batch_histories), rectangle;
			float x, y;

			rectangle = place_on_line(&x, &y, &from, index);
			follow_history(&t, &from, &space, accounted, history, index, rectangle, x, y);
		}
	}
	for (int a = 0; a < SP_MC_ACCOUNTS; a++)
		if (accounted[a])
			atom_add((volatile global long *)accounts + a, accounted[a]);
}

/* Closes a batch: its tally goes into the sums of batches and of their squares (shifted, so that they fit), and begins
 * anew. One work-item a voxel. */
kernel void mc_close_batch(constant sp_mc_setup *setup, global long *tally, global long *sum, global ulong *squares,
                           ulong n, uint tallies, uint shift)
{
	size_t i = get_global_id(0), stride = (size_t)setup->tally_n[3] + 1;
	uint nx = setup->tally_n[0], ny = setup->tally_n[1], row = (uint)(i / nx);
	global long *at = tally + SP_MC_CELL((uint)(i % nx), row % ny, row / ny, nx, ny);
	long b = 0, rounded;

	if (i >= n)
		return;
	for (uint k = 0; k < tallies; k++, at += stride) {
		b += *at;
		*at = 0;
	}
	rounded = (b + ((1L << shift) >> 1)) >> shift;
	sum[i] += b;
	squares[i] += (ulong)(rounded * rounded);
}

/* Columns of an influence matrix: a work-item takes opening after opening, follows its histories into a tally of its
 * own and lists what the wanted voxels got: (row, energy as float bits), up to `room` of them; count tells how many
 * there would be. Entries below `keep` of the column's largest are kept by chance, with that much energy, so that none
 * is lost on average. History h of opening o has the number o 2^32 + first + h. */
kernel void mc_columns(TRANSPORT_ARGUMENTS, global long *tally, global int *counter, global const uint *row_cell,
                       uint n_rows, uint first_column, uint n_columns, uint first, uint histories, float keep,
                       global uint *count, global uint2 *entries, uint room)
{
	transport t;
	source_tables from;
	work_space space;
	long accounted[SP_MC_ACCOUNTS] = {0};

	TAKE_ARGUMENTS(t, from);
	t.tally = tally + get_global_id(0) * (size_t)(setup->tally_n[3] + 1);
	for (;;) {
		uint column = (uint)atomic_inc(counter), opening = first_column + column, n = 0;
		global uint2 *list = entries + (size_t)column * room;
		long most = 0;
		float least;
		random_stream r;

		if (column >= n_columns)
			break;
		for (uint d = 0; d < SP_MC_DIMS; d++)
			from.shift[d] = philox((uint4)(first, opening, 0xfffffffdu, d), t.key).x;
		from.start = philox((uint4)(first, opening, 0xfffffffcu, 0), t.key).x;
		for (uint i = 0; i < histories; i++) {
			float x, y;

			point_on_curve(&x, &y, (uint)(((ulong)i << 32) / histories) + from.start);
			follow_history(&t, &from, &space, accounted, ((ulong)opening << 32) + first + i, i, opening, x,
			               y);
		}
		for (uint row = 0; keep > 0.0f && row < n_rows; row++)
			most = max(most, t.tally[row_cell[row]]);
		least = keep * (float)most;
		r.counter = (uint4)(first, opening, 0xfffffffbu, 0);
		r.key = t.key;
		r.left = 0;
		for (uint row = 0; row < n_rows; row++) {
			float energy = (float)t.tally[row_cell[row]];

			t.tally[row_cell[row]] = 0; /* the other cells are never looked at */
			if (energy > 0.0f && energy < least)
				energy = draw(&r) * least < energy ? least : 0.0f;
			if (energy > 0.0f) {
				if (n < room)
					list[n] = (uint2)(row, as_uint(energy));
				n++;
			}
		}
		count[column] = n;
	}
}
