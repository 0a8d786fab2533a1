"""scripts/benchmark montecarlo: spineplan's Monte Carlo against pyRadMC and ompMC, and against itself.

water10: water 300 x 300 x 300 mm, point source 1000 mm before the surface, 100 x 100 mm there, 6 MV. het3: 51 mm water,
99 mm lung, 150 mm water (whole voxels), 30 x 30 mm. Voxels of 3 mm. The programs take turns. T is the time spent on histories, without
start-up; sigma the mean relative standard uncertainty over the voxels above half of the maximum, all programs' over the
same voxels: those of spineplan's dose, smoothed over 3 x 3 x 3. epsilon = 1/(sigma^2 T).
usage: benchmark_montecarlo.py ROOT FOLDER [--quick] [--rounds N]"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

SIDE_MM, VOXELS, SSD_MM = 300.0, 100, 1000.0
GY_G_PER_MEV = 1.602176634e-10
CASES = {'water10': {'field_mm': 100.0, 'layers': (('water', 300),)},
         'het3': {'field_mm': 30.0, 'layers': (('water', 51), ('lung', 99), ('water', 150))}}

# Program, cores, and what to ask of it: a sigma (spineplan) or histories by case, full and quick.
RUNS = (
    ('spineplan', 2, {'water10': ('2%', '6%'), 'het3': ('1%', '4%')}),
    ('pyRadMC', 1, {'water10': (20_000_000, 400_000), 'het3': (10_000_000, 400_000)}),
    ('ompMC', 2, {'water10': (6_000_000, 200_000), 'het3': (3_000_000, 100_000)}),
    ('spineplan', 1, {'water10': ('2%', '6%'), 'het3': ('1%', '4%')}),
    ('ompMC', 1, {'water10': (3_000_000, 200_000), 'het3': (1_500_000, 100_000)}),
    ('spineplan --plain', 2, {'water10': ('6%', '20%'), 'het3': ('3%', '12%')}),
)
MEANS = ('sites', 'sets', 'repeats', 'roulette', 'sequence')  # of dose --without
PEER_BATCHES = 20  # of ten, the mean of sigma is 3 % low


def layer_of_voxels(layers):
    """The material of each plane of voxels along z."""
    names = []
    for name, thickness_mm in layers:
        names += [name] * round(thickness_mm / SIDE_MM * VOXELS)
    return names


def spectrum(root):
    with open(root / 'engine' / 'montecarlo' / 'spectra' / 'mohan6.csv', encoding='utf-8') as f:
        rows = list(csv.DictReader(line for line in f if not line.startswith('#')))
    return [float(r['E_high_MeV']) for r in rows], [float(r['probability']) for r in rows]


# Peers, each run in a process of its own: ompMC allows one calculation a process.


def run_pyradmc(root, case, histories):
    from pyradmc import (AnalyticCrossSections, Spectrum, SpectralBeamSource,  # pylint: disable=import-outside-toplevel
                         VoxelGrid, WarpEngine)

    # without a download it knows the cross-sections of water only, so lung is thin water
    names = layer_of_voxels(CASES[case]['layers'])
    density = np.ones((VOXELS,) * 3)
    density[:, :, [name == 'lung' for name in names]] = 0.26
    cm, field = SIDE_MM / 10, CASES[case]['field_mm'] / 10
    grid = VoxelGrid(shape=density.shape, spacing=(cm / VOXELS,) * 3, density=density,
                     material=np.zeros(density.shape, np.int32))
    high, share = spectrum(root)
    source = SpectralBeamSource(Spectrum([1e-3, *high], share), (cm / 2, cm / 2, -SSD_MM / 10), (cm / 2, cm / 2, 0.0),
                                field, field)
    engine = WarpEngine(grid=grid, cross_sections=AnalyticCrossSections(grid.max_density_by_material()))
    engine.run(source, n_histories=2000, n_batches=2, seed=1)  # compiles
    start = time.perf_counter()
    done = engine.run(source, n_histories=histories, n_batches=PEER_BATCHES, seed=2)
    seconds = time.perf_counter() - start
    dose = np.transpose(done.dose, (2, 1, 0))
    return seconds, dose * GY_G_PER_MEV, np.transpose(done.dose_sigma, (2, 1, 0)) * GY_G_PER_MEV


def run_ompmc(root, case, histories):
    import ompmc  # pylint: disable=import-outside-toplevel

    names = layer_of_voxels(CASES[case]['layers'])
    lung = [name == 'lung' for name in names]
    density = np.ones((VOXELS,) * 3, order='F')
    material = np.ones((VOXELS,) * 3, np.int32, order='F')
    density[:, :, lung] = 0.26
    material[:, :, lung] = 2
    media = ['H2O700ICRU', 'LUNG700ICRU'] if any(lung) else ['H2O700ICRU']
    cm, half = SIDE_MM / 10, CASES[case]['field_mm'] / 20
    across = np.linspace(-cm / 2, cm / 2, VOXELS + 1)
    geometry = ompmc.Geometry(across, across, np.linspace(0, cm, VOXELS + 1), media, density, material)
    source = ompmc.CollimatedSource(SSD_MM / 10, -half, half, -half, half)
    high, share = spectrum(root)
    # split in 20, its default, photons are as efficient as whole ones; whole ones are histories as the others count them
    start = time.perf_counter()
    dose, relative = ompmc.calc_cube(geometry, source, ompmc.Spectrum.from_histogram(high, share),
                                     ompmc.Physics(n_split=1), n_histories=histories, n_batches=PEER_BATCHES)
    seconds = time.perf_counter() - start
    dose = np.transpose(dose, (2, 1, 0))
    return seconds, dose, dose * np.transpose(relative, (2, 1, 0))


def peer_process(root, program, case, histories, output):
    seconds, dose, sigma = {'pyRadMC': run_pyradmc, 'ompMC': run_ompmc}[program](root, case, histories)
    np.savez(output, seconds=seconds, dose=dose, sigma=sigma)


# Runs. Each gives a dict of histories, seconds (on histories), wall, dose, sigma.


def on_cores(cores):
    """An environment that keeps OpenMP's and PoCL's threads to so many."""
    n = str(cores)
    return {**os.environ, 'OMP_NUM_THREADS': n, 'POCL_MAX_PTHREAD_COUNT': n, 'POCL_CPU_MAX_CU_COUNT': n,
            'WARP_QUIET': '1'}


def call(command, environment=None):
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"benchmark: '{' '.join(str(word) for word in command)}' failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


class Bench:
    def __init__(self, root, folder, quick):
        self.root, self.folder, self.quick, self.seed = root, folder, quick, 0
        self.program = root / 'build' / 'spineplan'

    def phantom(self, name, voxel_mm, layers, *boxes):
        path = self.folder / f'{name}.h5'
        words = [word for material, mm in layers for word in ('--layer', f'{material}:{mm}')]
        words += [word for box in boxes for word in ('--box', box)]
        call([self.program, 'phantom', 'slabs', '-o', path, '--size-mm', '300x300', '--voxel-mm', voxel_mm, *words])
        return path

    def own(self, case_path, field_mm, *options, cores=2, environment=None, read=True):
        output = self.folder / 'own.h5'
        self.seed += 1
        wall = call([self.program, '-q', 'dose', case_path, '-o', output, '--engine', 'mc', '--source', 'point', '--ssd-mm',
                     SSD_MM, '--field-mm', field_mm, '--seed', self.seed, *options],
                    {**on_cores(cores), **(environment or {})})
        with h5py.File(output) as f:
            said = json.loads(np.asarray(f['provenance']).item() if 'provenance' in f else f.attrs['provenance'])
            run = {'histories': said['histories'], 'seconds': said['transport_seconds'], 'wall': wall,
                   'mean_sigma': said.get('mean_sigma_percent', 0.0) / 100}
            if read:
                run['dose'] = f['dose/dose_gy_per_particle'][...]
                run['sigma'] = f['dose/sigma_gy_per_particle'][...]
        output.unlink()
        return run

    def peer(self, program, case, histories, cores):
        output = self.folder / 'peer.npz'
        wall = call([sys.executable, __file__, self.root, self.folder, '--peer', program, case, histories, output],
                    on_cores(cores))
        with np.load(output) as f:
            run = {'histories': histories, 'seconds': float(f['seconds']), 'wall': wall, 'dose': f['dose'],
                   'sigma': f['sigma']}
        output.unlink()
        return run

    def compare(self, case, rounds):
        """All programs on a case, taking turns; a list of runs by (program, cores)."""
        path = self.phantom(case, 3, CASES[case]['layers'])
        runs, mask = {}, None
        for _ in range(rounds):
            for program, cores, asked in RUNS:
                wanted = asked[case][1 if self.quick else 0]
                if program.startswith('spineplan'):
                    run = self.own(path, 10 * CASES[case]['field_mm'] / SSD_MM * 100, '--uncertainty', wanted,
                                   *program.split()[1:], cores=cores)
                else:
                    run = self.peer(program, case, wanted, cores)
                mask = above_half(run['dose']) if mask is None else mask
                run['mean_sigma'] = mean_relative(run, mask)
                run['level'] = float(run['dose'][mask].mean())
                del run['dose'], run['sigma']
                runs.setdefault((program, cores), []).append(run)
                print(f'benchmark: {case}, {program} on {cores}: {run["seconds"]:.1f} s', file=sys.stderr, flush=True)
        return runs


def above_half(dose):
    padded = np.pad(dose, 1)
    n = dose.shape
    total, count = np.zeros(n), np.zeros(n)
    ones = np.pad(np.ones(n), 1)
    for k in range(3):
        for j in range(3):
            for i in range(3):
                window = np.s_[k:k + n[0], j:j + n[1], i:i + n[2]]
                total += padded[window]
                count += ones[window]
    smooth = total / count
    return smooth > 0.5 * smooth.max()


def mean_relative(run, mask):
    dose, sigma = run['dose'][mask], run['sigma'][mask]
    known = dose > sigma
    return float(np.where(known, sigma / np.where(known, dose, 1.0), 1.0).mean())


def epsilon(run):
    return 1.0 / (run['mean_sigma']**2 * run['seconds'])


def middle(runs, value):
    return statistics.median(value(run) for run in runs)


def print_comparison(case, runs):
    best = {cores: middle(runs['spineplan', cores], epsilon) for cores in (1, 2)}
    level = middle(runs['spineplan', 2], lambda r: r['level'])
    print(f'\n{case}: {len(runs["spineplan", 2])} rounds, medians; least and greatest epsilon; how many times spineplan is'
          ' as efficient')
    print(f'{"program":18} cores  histories  histories/s   sigma        T   epsilon (least .. greatest)'
          '   on 1 core  on 2 cores   dose')
    for (program, cores), done in runs.items():
        each = [epsilon(run) for run in done]
        rate = middle(done, lambda r: r['histories'] / r['seconds'])
        e = statistics.median(each)
        print(f'{program:18} {cores:5} {middle(done, lambda r: r["histories"]):10.3g} {rate:12,.0f} '
              f'{100 * middle(done, lambda r: r["mean_sigma"]):5.2f} % {middle(done, lambda r: r["seconds"]):6.1f} s '
              f'{e:9.4g} ({min(each):.4g} .. {max(each):.4g})'.ljust(93) +
              f'{best[1] / e:9.1f} {best[2] / e:11.1f} {middle(done, lambda r: r["level"]) / level:9.3f}')
    print('dose: mean over the same voxels, relative to spineplan')


def compare_with_itself(bench, rounds):
    """Time a history, and epsilon, as the phantom and the voxels change: against water10 run in the same round."""
    water = (('water', 300),)
    field, n = 100.0, '2e5' if bench.quick else '4e6'
    base = bench.phantom('base', 3, water)
    variants = [
        ('titanium rod of 6 x 6 x 120 mm at 48 mm', bench.phantom('rod', 3, water, 'titanium:-3,3,-60,60,48,54'), ()),
        ('voxels of 1.5 mm', bench.phantom('half', 1.5, water), ()),
    ]
    fine = bench.phantom('fine', '0.5859375x0.5859375x1', water)
    variants += [('512 x 512 x 300 voxels, dose in 3 mm', fine, ('--grid-mm', '3')),
                 # batches are larger where there are so many voxels: at least 8 of a million histories
                 ('512 x 512 x 300 voxels, dose in each', fine, ('--batch-histories', '25000') if bench.quick else ())]
    print('\nwater10 by spineplan on 2 cores, same number of histories; medians of ratios to water10 just before')
    print(f'{"":42} histories/s   time a history   epsilon: as many times less')
    for name, path, options in variants:
        rates, slower, costs = [], [], []
        for _ in range(rounds):
            a = bench.own(base, field, '--histories', n, read=False)
            b = bench.own(path, field, '--histories', n, *options, read=False)
            rates.append(b['histories'] / b['seconds'])
            slower.append(b['seconds'] / b['histories'] / (a['seconds'] / a['histories']))
            costs.append(epsilon(a) / epsilon(b))
        print(f'{name:42} {statistics.median(rates):11,.0f} {statistics.median(slower):16.2f} '
              f'{statistics.median(costs):13.2f}', flush=True)
    fine.unlink()
    return base


def leave_out(bench, rounds):
    """What each means of variance reduction is worth: epsilon with all of them over that without it."""
    n = '2e5' if bench.quick else '1e6'
    print('\nvariance reduction on 2 cores, same number of histories: how many times less efficient without')
    print(f'{"":12} ' + ''.join(f'{case:>12}' for case in CASES))
    paths = {case: bench.phantom(case, 3, CASES[case]['layers']) for case in CASES}
    for means in MEANS:
        row = []
        for case, path in paths.items():
            ratios = []
            for _ in range(rounds):
                a, b = (bench.own(path, CASES[case]['field_mm'], '--histories', n, *options, read=False)
                        for options in ((), ('--without', means)))
                ratios.append(epsilon(a) / epsilon(b))
            row.append(statistics.median(ratios))
        print(f'{means:12} ' + ''.join(f'{ratio:12.2f}' for ratio in row), flush=True)


# mm, from the surface on
SLABS = (('water', 51), ('lung', 60), ('water', 30), ('bone', 30), ('water', 30), ('titanium', 9), ('water', 90))


def mean_unmoved(bench):
    """Default against --plain: the mean dose in each slab of a stack, 80 x 80 mm about the axis; sigma from the seeds' spread."""
    path = bench.phantom('stack', 3, SLABS)
    names, seeds = layer_of_voxels(SLABS), 2 if bench.quick else 8
    edges = [0, *(i for i in range(1, VOXELS) if names[i] != names[i - 1]), VOXELS]
    inner = np.s_[37:63]
    means = {}
    for options in ((), ('--plain',)):
        n = ('2e5' if bench.quick else '1e6') if not options else '4e5' if bench.quick else '4e6'
        runs = [bench.own(path, 100.0, '--histories', n, *options)['dose'] for _ in range(seeds)]
        means[options] = np.array([[run[a:b, inner, inner].mean() for a, b in zip(edges, edges[1:])] for run in runs])
    fast, plain = means[()], means[('--plain',)]
    ratio = fast.mean(0) / plain.mean(0)
    sigma = ratio * np.sqrt((fast.var(0, ddof=1) / fast.mean(0)**2 + plain.var(0, ddof=1) / plain.mean(0)**2) / seeds)
    print('\nmean dose by default over that with --plain, in a stack of slabs')
    for a, b, r, s in zip(edges, edges[1:], ratio, sigma):
        print(f'{names[a]:10} {3 * a:4} to {3 * b:4} mm {100 * (r - 1):+7.2f} +- {100 * s:.2f} %')


def start_up(bench, base, rounds):
    """Wall time of a whole run of 128 histories: with kernels to compile and with them cached."""
    cold, cached = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as empty:
            environment = {'POCL_CACHE_DIR': empty + '/pocl', 'XDG_CACHE_HOME': empty + '/xdg'}
            few = ('--histories', '128', '--batch-histories', '16')
            cold.append(bench.own(base, 100.0, *few, environment=environment, read=False)['wall'])
            cached.append(bench.own(base, 100.0, *few, environment=environment, read=False)['wall'])
    print(f'\nwhole run of 128 histories on water10, from start to written file: {statistics.median(cold):.1f} s the first '
          f'time, {statistics.median(cached):.1f} s with kernels cached')


def main():
    a = argparse.ArgumentParser()
    a.add_argument('root', type=pathlib.Path)
    a.add_argument('folder', type=pathlib.Path)
    a.add_argument('--quick', action='store_true')
    a.add_argument('--rounds', type=int, default=0)
    a.add_argument('--peer', nargs=4)
    a = a.parse_args()
    if a.peer:
        peer_process(a.root, a.peer[0], a.peer[1], int(a.peer[2]), a.peer[3])
        return
    rounds = a.rounds or (1 if a.quick else 3)
    bench = Bench(a.root, a.folder, a.quick)
    print('benchmark: pyRadMC says nothing for 5 to 9 minutes when it makes its table, the first time', file=sys.stderr,
          flush=True)
    for case in CASES:
        bench.peer('pyRadMC', case, 2000, 1)
        print_comparison(case, bench.compare(case, rounds))
        sys.stdout.flush()
    base = compare_with_itself(bench, rounds)
    leave_out(bench, rounds)
    mean_unmoved(bench)
    start_up(bench, base, rounds)


if __name__ == '__main__':
    main()
