"""Picket fence of a machine's leaves: makes the plans, computes their dose in water, draws it and prints numbers.

Fence: five strips of 10 mm, 30 mm apart. Comb: every other block of leaves of 20 mm open, then the others, against the
open field. Numbers, found as a physicist finds them at the machine: transmission (closed leaves over the open field),
dosimetric leaf gap (gaps of 10 and 20 mm that sweep over the axis, extrapolated to no dose), tongue and groove (what is
lost at a seam of the comb, as the width of a strip without dose).

example: scripts/picket-fence --machine generic-6mv -o fence.png
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import h5py
import matplotlib
import numpy as np

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)

from atomic_write import save_figure  # noqa: E402
from case_file import BadInput  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEAM = ROOT / 'engine' / 'beam'
MU, DPI = 100.0, 150
JAWS_MM = (-80.0, 80.0, -40.0, 40.0)
STRIPS_MM, STRIP_MM = (-60, -30, 0, 30, 60), 10.0
SWEEP_MM, SWEEP_POINTS = 60.0, 49  # from and to, of the middle of a gap, in short steps
BLOCK_MM = 20.0
SSD_MM, DEPTH_MM = 900.0, 105.0
# Of the plane: 1 mm along x and y, a layer of 30 mm about DEPTH_MM (where the pencil beam's voxel is a point).
SIZE_MM, GRID_MM, LAYER = (200, 110), '1x1x30', 3


def named_file(folder, name):
    path = BEAM / folder / f'{name}.yaml'
    path = path if path.is_file() else pathlib.Path(name)
    try:
        return re.sub(r'#.*', '', path.read_text())
    except OSError as e:
        raise BadInput(f'{path}: {e.strerror}') from None


def leaf_edges(machine, mlc):
    """Name and edges (mm) of the leaves; the program itself checks the files."""
    if mlc is None:
        found = re.search(r'^mlc:\s*(\S+)', named_file('machines', machine), re.MULTILINE)
        if not found:
            raise BadInput(f"machine '{machine}' names no leaves")
        mlc = found[1]
    found = re.search(r'^boundaries_mm:\s*\[([^\]]*)\]', named_file('mlc', mlc), re.MULTILINE)
    if not found:
        raise BadInput(f"leaf file '{mlc}' has no list boundaries_mm")
    return mlc, np.array([float(v) for v in found[1].split(',')])


def closed(n):
    """Ends that meet under the X2 jaw."""
    return np.full((2, n), JAWS_MM[1] + 30.0)


def opened(n, low, high, pairs=slice(None)):
    ends = closed(n)
    ends[0, pairs], ends[1, pairs] = low, high
    return ends


def still(*apertures):
    """Leaves (control points) and cumulative MU: each aperture stands for MU, the beam is off between them."""
    return ([a for a in apertures for _ in range(2)],
            [MU * (i + k) for i in range(len(apertures)) for k in range(2)])


def fields(edges):
    n, half = len(edges) - 1, 0.5 * STRIP_MM
    odd = np.floor((0.5 * (edges[1:] + edges[:-1]) + 0.5 * BLOCK_MM) / BLOCK_MM) % 2 == 1
    yield 'open', *still(opened(n, -90.0, 90.0))
    yield 'closed', *still(closed(n))
    yield 'fence', *still(*(opened(n, x - half, x + half) for x in STRIPS_MM))
    yield 'comb', *still(opened(n, -90.0, 90.0, odd), opened(n, -90.0, 90.0, ~odd))
    for gap in (10, 20):
        middles = np.linspace(-SWEEP_MM, SWEEP_MM, SWEEP_POINTS)
        yield (f'sweep{gap}', [opened(n, x - gap / 2, x + gap / 2) for x in middles],
               np.linspace(0.0, MU, SWEEP_POINTS))


def write_plan(path, machine, mlc, edges, leaves, cumulative):
    n = len(leaves)
    with h5py.File(path, 'w') as f:
        f.attrs['format'], f.attrs['version'] = 'spineplan-plan', np.uint32(1)
        f.attrs['technique'], f.attrs['machine'], f.attrs['fractions'] = 'imported', machine, np.uint32(1)
        b = f.create_group('beams/0')
        b.attrs['technique'], b.attrs['machine'], b.attrs['mlc'], b.attrs['mu'] = 'imrt', machine, mlc, cumulative[-1]
        b.attrs['isocentre_mm'], b.attrs['sad_mm'] = [0.0, 0.0, 1000.0 - SSD_MM], 1000.0
        for name in ('gantry_deg', 'collimator_deg', 'couch_deg'):  # the beam runs along +z, its x is the patient's
            b[name] = np.full(n, 90.0)
        b['jaws_mm'] = np.tile(JAWS_MM, (n, 1))
        b['leaves_mm'] = np.array(leaves)
        b['leaves_mm'].attrs['axis'] = 'x'
        b['leaf_boundaries_mm'], b['cumulative_mu'] = edges, np.array(cumulative)


def run(*arguments):
    program = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
    try:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    except OSError as e:
        raise BadInput(f'{program}: {e.strerror}; scripts/build makes it') from None
    if done.returncode:
        raise BadInput(done.stderr.strip().splitlines()[-1])


def compute(args, mlc, edges, folder):
    """Doses (Gy) in the plane, [y][x], and the places of its voxels (mm in the isocentre plane)."""
    water, doses = folder / 'water.h5', {}
    run('phantom', 'slabs', '-o', water, '--voxel-mm', 5, '--size-mm', f'{SIZE_MM[0]}x{SIZE_MM[1]}',
        '--layer', 'water:150')
    for name, leaves, cumulative in fields(edges):
        plan, dose = folder / f'{name}.h5', folder / f'{name}-dose.h5'
        write_plan(plan, args.machine, mlc, edges, leaves, cumulative)
        more = ('--uncertainty', args.uncertainty) if args.engine == 'mc' else ()
        run('dose', water, plan, '-o', dose, '--engine', args.engine, '--machine', args.machine, '--mlc', mlc,
            '--grid-mm', GRID_MM, *more)
        with h5py.File(dose) as f:
            d = f['dose/dose_gy']
            doses[name] = d[LAYER]
            x, y = (d.attrs['origin_mm'][a] + d.attrs['spacing_mm'][a] * np.arange(d.shape[2 - a]) for a in (0, 1))
    scale = 1000.0 / (SSD_MM + DEPTH_MM)
    return doses, x * scale, y * scale


def width_at_half(x, profile):
    """Of the strip on the axis, mm."""
    near = np.abs(x) < 15
    x, p = x[near], profile[near]
    above = np.flatnonzero(p >= 0.5 * p.max())
    first, last = above[0], above[-1]
    half = 0.5 * p.max()
    return (np.interp(-half, [-p[last], -p[last + 1]], [x[last], x[last + 1]]) -
            np.interp(half, [p[first - 1], p[first]], [x[first - 1], x[first]]))


def numbers(doses, x, y, edges):
    axis = (np.abs(x)[None, :] < 5) & (np.abs(y)[:, None] < 10)  # whole leaves, of 5 and of 2.5 mm
    mean = {name: float(d[axis].mean()) for name, d in doses.items()}
    transmission = mean['closed'] / mean['open']
    # what a sweep gives beside what comes through closed leaves, for as long as they are closed over the axis
    open_part = {g: mean[f'sweep{g}'] - mean['closed'] * (1 - g / (2 * SWEEP_MM)) for g in (10, 20)}
    slope = (open_part[20] - open_part[10]) / 10.0
    rows, columns = np.abs(y) < BLOCK_MM + 0.5, np.abs(x) < 20
    fence = doses['fence'][np.abs(y) < 25].mean(0)
    ratio = (doses['comb'] / doses['open'])[np.ix_(rows, columns)].mean(1)
    at_seam, in_block = (np.interp(p, y[rows], ratio).mean() for p in ((-10.0, 10.0), (-20.0, 0.0, 20.0)))
    return {
        'transmission': transmission,
        'leaf_gap_mm': open_part[10] / slope - 10.0,
        'strip_width_mm': width_at_half(x, fence),
        'valley_over_peak': float(np.interp(15.0, x, fence) / np.interp(0.0, x, fence)),
        'tongue_loss_mm': BLOCK_MM * (1.0 + transmission - ratio.mean()),
        'seam_over_block': float(at_seam / in_block),
    }


def draw(path, args, mlc, doses, x, y, found):
    figure, axes = plt.subplots(2, 2, figsize=(10, 6.4), layout='constrained')
    extent = (x[0], x[-1], y[0], y[-1])
    comb = doses['comb'] / doses['open']
    inside = (np.abs(x) < 70)[None, :] & (np.abs(y) < 30)[:, None]
    shown = ((doses['fence'], None, 'Picket fence, Gy'),
             (np.where(inside, comb, np.nan), (comb[inside].min(), comb[inside].max()),
              'Two combs over the open field'))
    for ax, (picture, limits, title) in zip(axes[0], shown):
        low, high = limits or (0.0, picture.max())
        image = ax.imshow(picture, extent=extent, origin='lower', cmap='inferno', vmin=low, vmax=high)
        figure.colorbar(image, ax=ax, shrink=0.8)
        ax.set(title=title, xlabel='x, along the leaves (mm)', ylabel='y (mm)')
    fence = doses['fence'][np.abs(y) < 25].mean(0)
    axes[1, 0].plot(x, 100 * fence / fence.max(), color='#c8324b')
    axes[1, 0].set(xlabel='x (mm)', ylabel='% of the largest', ylim=(0, 105),
                   title=f"strips {found['strip_width_mm']:.2f} mm wide, leaf gap {found['leaf_gap_mm']:.2f} mm, "
                         f"transmission {100 * found['transmission']:.2f} %")
    rows = np.abs(y) < 30
    axes[1, 1].plot(y[rows], comb[:, np.abs(x) < 20].mean(1)[rows], color='#c8324b')
    axes[1, 1].set(xlabel='y, across the leaves (mm)', ylabel='combs over open field',
                   title=f"seams over middles of blocks: {found['seam_over_block']:.3f}, a seam loses "
                         f"{found['tongue_loss_mm']:.2f} mm")
    for ax in axes.flat:
        ax.title.set_fontsize(9)
    figure.suptitle(f'{args.machine}, {mlc}, {args.engine}, {DEPTH_MM:g} mm of water, surface at {SSD_MM:g} mm',
                    fontsize=9)
    save_figure(figure, path, DPI)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(prog='picket-fence', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--output', type=pathlib.Path, required=True, metavar='fence.png')
    parser.add_argument('--machine', default='generic-6mv', help='name or file (default generic-6mv)')
    parser.add_argument('--mlc', help="name or file of other leaves than the machine's")
    parser.add_argument('--engine', choices=('pencil', 'mc'), default='pencil')
    parser.add_argument('--uncertainty', default='1%', help='of Monte Carlo (default 1%%)')
    args = parser.parse_args()
    try:
        mlc, edges = leaf_edges(args.machine, args.mlc)
        with tempfile.TemporaryDirectory() as folder:
            doses, x, y = compute(args, mlc, edges, pathlib.Path(folder))
        found = numbers(doses, x, y, edges)
        draw(args.output, args, mlc, doses, x, y, found)
    except (BadInput, OSError, ValueError) as e:
        print(f'picket-fence: {e}', file=sys.stderr)
        return 2
    print(json.dumps({k: round(float(v), 5) for k, v in found.items()}, indent=2))
    return 0


if __name__ == '__main__':
    sys.exit(main())
