"""Gamma of spineplan, pymedphys and plastimatch on the same pair of doses: pass rates, point by point, and seconds.

Needs pymedphys (scripts/requirements-gamma.txt in an environment of its own); plastimatch is left out where it is
missing. The pair is made here: a target-shaped dose with falls of 1 to 2 Gy a millimetre as near a spinal cord, and
the same moved by a millimetre, scaled and with noise.

example: python scripts/python/benchmark_gamma.py --size 200
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

from image_files import read_image

ROOT = pathlib.Path(__file__).resolve().parents[2]


def dose(n, spacing, origin, shift, rng=None, noise=0.0):
    """A horseshoe of 24 Gy around a cold cord, falling off over a few millimetres, in an entrance dose of beams."""
    axes = [origin[a] + spacing[a] * np.arange(n[a], dtype=np.float32) - shift[a] for a in range(3)]
    x, y, z = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
    r = np.sqrt((x / 30) ** 2 + (y / 26) ** 2 + (z / 34) ** 2)
    target = 1 / (1 + np.exp((r - 1) * 9))
    cord = 1 / (1 + np.exp(np.minimum((np.sqrt(x ** 2 + (y - 18) ** 2) - 10) * 0.8, 60)))
    beams = sum(np.exp(-((x * np.cos(a) + y * np.sin(a)) / 28) ** 2) for a in np.radians([0, 40, 80, 100, 140]))
    field = 24 * target * (1 - 0.6 * cord) + 2.2 * beams * np.exp(-(z / 36) ** 4)
    if rng is not None:
        field = field * (1 + noise * rng.standard_normal(field.shape, np.float32))
    return np.maximum(field, 0).astype(np.float32)


def write_h5(path, array, spacing, origin):
    with h5py.File(path, 'w') as f:
        d = f.create_dataset('dose/dose_gy', data=array)
        d.attrs['spacing_mm'], d.attrs['origin_mm'] = np.asarray(spacing, float), np.asarray(origin, float)


def write_mha(path, array, spacing, origin):
    head = (f'ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n'
            f'Offset = {origin[0]} {origin[1]} {origin[2]}\nElementSpacing = {spacing[0]} {spacing[1]} {spacing[2]}\n'
            f'DimSize = {array.shape[2]} {array.shape[1]} {array.shape[0]}\nElementType = MET_FLOAT\n'
            'ElementDataFile = LOCAL\n')
    pathlib.Path(path).write_bytes(head.encode() + array.astype('<f4').tobytes())


def coordinates(array, spacing, origin):
    """z, y, x, as the arrays are stored."""
    return tuple(origin[a] + spacing[a] * np.arange(array.shape[2 - a]) for a in (2, 1, 0))


def run_spineplan(folder, arguments):
    program = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
    started = time.perf_counter()
    done = subprocess.run([program, 'compare', f'{folder}/a.h5', f'{folder}/b.h5', '--json', '-o', f'{folder}/gamma.h5',
                           *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr)
    said = json.loads(done.stdout)['gamma']
    with h5py.File(f'{folder}/gamma.h5') as f:
        return f['gamma/gamma'][...], said['pass_percent'], said['seconds'], seconds


def run_pymedphys(a, b, grids, args):
    import pymedphys
    started = time.perf_counter()
    gamma = pymedphys.gamma(coordinates(a, *grids[0]), a.astype(float), coordinates(b, *grids[1]), b.astype(float),
                            args.dose, args.distance, lower_percent_dose_cutoff=args.threshold,
                            interp_fraction=args.interp_fraction, max_gamma=2.0, local_gamma=args.local,
                            ram_available=2 ** 30)
    seconds = time.perf_counter() - started
    valid = ~np.isnan(gamma)
    return gamma, 100 * (gamma[valid] <= 1).mean(), seconds


def refined(array, times):
    """The same dose with `times` as many steps a voxel, trilinear: what lies between voxels anyway."""
    for axis in range(3) if times > 1 else ():
        n = array.shape[axis]
        places = np.linspace(0, n - 1, (n - 1) * times + 1)
        low = np.minimum(places.astype(int), n - 2)
        part = (places - low).reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float32)
        array = np.take(array, low, axis) * (1 - part) + np.take(array, low + 1, axis) * part
    return array


def run_plastimatch(folder, args):
    """Gammas at A's points, pass rate, seconds. It looks for the least gamma along the edges of voxels only, and takes B's
    dose at A's points: --refine shows it more of both."""
    if not shutil.which('plastimatch'):
        return None
    started = time.perf_counter()
    done = subprocess.run(['plastimatch', 'gamma', '--dose-tolerance', str(args.dose / 100), '--dta-tolerance',
                           str(args.distance), '--analysis-threshold', str(args.threshold / 100), '--gamma-max', '2',
                           '--ref-only-threshold', '--interp-search', '--output-text', f'{folder}/plastimatch.txt',
                           *(['--local-gamma'] if args.local else []), '--output', f'{folder}/gamma.mha',
                           f'{folder}/a.mha', f'{folder}/b.mha'], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr)
    return read_image(pathlib.Path(folder) / 'gamma.mha')[0][(slice(None, None, args.refine),) * 3], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', type=int, default=200, metavar='N', help='voxels along x of dose A (default 200)')
    parser.add_argument('--dose', type=float, default=3.0, metavar='PERCENT')
    parser.add_argument('--distance', type=float, default=2.0, metavar='MM')
    parser.add_argument('--threshold', type=float, default=10.0, metavar='PERCENT')
    parser.add_argument('--local', action='store_true')
    parser.add_argument('--shift', type=float, default=1.0, metavar='MM', help='B is moved by this along (1, -1, 1)')
    parser.add_argument('--scale', type=float, default=1.02, help='and multiplied by this')
    parser.add_argument('--noise', type=float, default=0.005, help='and has this relative noise')
    parser.add_argument('--cube', action='store_true', help='N x N x N voxels (else sides of N, 0.9 N and 0.8 N)')
    parser.add_argument('--other-grid', action='store_true', help='B on another grid than A')
    parser.add_argument('--interp-fraction', type=int, default=10, help='of pymedphys (its default)')
    parser.add_argument('--refine', type=int, default=1, metavar='N',
                        help='plastimatch sees both doses on voxels of 1/N, trilinear between ours; its gammas at A\'s points count')
    parser.add_argument('--no-pymedphys', action='store_true')
    parser.add_argument('--no-plastimatch', action='store_true')
    args = parser.parse_args()
    n = (args.size,) * 3 if args.cube else (args.size, int(0.9 * args.size), int(0.8 * args.size))
    step = 160 / args.size
    grid_a = ((step, step, 1.25 * step), (-79.3, -71.1, -78.7))
    grid_b = ((0.9 * step, 1.1 * step, step), (-85.0, -80.0, -85.0)) if args.other_grid else grid_a
    n_b = tuple(int(np.ceil(n[a] * grid_a[0][a] / grid_b[0][a])) + 12 for a in range(3)) if args.other_grid else n
    a = dose(n, *grid_a, (0, 0, 0))
    b = dose(n_b, *grid_b, args.shift * np.array([1, -1, 1]) / np.sqrt(3), np.random.default_rng(3), args.noise)
    b *= np.float32(args.scale)
    print(f'A {n}, B {n_b} voxels (x, y, z), spacing {grid_a[0]} and {grid_b[0]} mm; {args.dose:g} %, '
          f'{args.distance:g} mm, {"local" if args.local else "global"}, threshold {args.threshold:g} %; '
          f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}')
    with tempfile.TemporaryDirectory() as folder:
        for name, array, grid in (('a', a, grid_a), ('b', b, grid_b)):
            write_h5(f'{folder}/{name}.h5', array, *grid)
            write_mha(f'{folder}/{name}.mha', refined(array, args.refine), np.array(grid[0]) / args.refine, grid[1])
        ours, passed, seconds, whole = run_spineplan(folder, [
            '--gamma', f'{args.dose}%/{args.distance}mm', '--threshold', f'{args.threshold}%',
            *(['--local'] if args.local else [])])
        print(f'spineplan    passed {passed:7.3f} %   {seconds:8.2f} s (whole command {whole:.2f} s)')
        if not args.no_pymedphys:
            theirs, passed, other = run_pymedphys(a, b, (grid_a, grid_b), args)
            both = ~np.isnan(theirs) & ~np.isnan(ours)
            differ = 100 * ((theirs[both] <= 1) != (ours[both] <= 1)).mean()
            gap = ours[both] - theirs[both]
            print(f'pymedphys    passed {passed:7.3f} %   {other:8.2f} s: {other / seconds:.1f} times spineplan '
                  f'({other / whole:.1f} times the whole command)')
            print(f'             {both.sum()} points judged by both ({(~np.isnan(ours)).sum()} and '
                  f'{(~np.isnan(theirs)).sum()}), {differ:.3f} % judged differently; gamma ours - theirs: '
                  f'mean {gap.mean():.4f}, 1st and 99th percentile {np.percentile(gap, 1):.4f} {np.percentile(gap, 99):.4f}')
        found = None if args.no_plastimatch else run_plastimatch(folder, args)
        if found:
            theirs, other = found
            points = ~np.isnan(ours)
            differ = 100 * ((theirs[points] <= 1) != (ours[points] <= 1)).mean()
            print(f'plastimatch  passed {100 * (theirs[points] <= 1).mean():7.3f} %   {other:8.2f} s, {differ:.3f} % judged '
                  f'differently{f" (on voxels of 1/{args.refine})" if args.refine > 1 else ""}')


if __name__ == '__main__':
    main()
