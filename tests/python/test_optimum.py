"""spineplan optimise against an independent convex solver (Clarabel, an interior-point method) on a small real matrix."""
import json
import os
import pathlib
import subprocess

import clarabel
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'
# weight, dose: squared deviation in the target, squared overdose in the core and the rest of the body
TARGET, CORE, BODY = (1000.0, 50.0), (300.0, 10.0), (100.0, 30.0)


def run(*arguments):
    spineplan = os.environ.get('SPINEPLAN', str(DATA.parents[1] / 'build' / 'spineplan'))
    done = subprocess.run([spineplan, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def problem(tmp_path_factory):
    """TG-119 with five beams, bixels of 15 mm and voxels of 8 x 9 x 10 mm: the file, the matrix, rows by structure."""
    path = tmp_path_factory.mktemp('optimum') / 'matrix.h5'
    run('influence', DATA / 'tg119.h5', '-o', path, '--beams', '0,72,144,216,288', '--bixel-mm', 15, '--grid-mm', '8x9x10')
    with h5py.File(path, 'r+') as f, h5py.File(DATA / 'tg119.h5') as case:
        m = f['influence']
        matrix = sp.csr_array((m['data'][...].astype(float), m['indices'][...], m['indptr'][...]), m.attrs['shape'])
        nx, ny, nz = m.attrs['size']
        z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing='ij')
        centre = m.attrs['origin_mm'] + np.stack([x, y, z], -1) * m.attrs['spacing_mm']
        hu = case['ct/hu']
        inside = {}
        for name in ('OuterTarget', 'Core', 'BODY'):
            i = np.rint((centre - hu.attrs['origin_mm']) / hu.attrs['spacing_mm']).astype(int)
            i = np.clip(i, 0, np.array(hu.shape[::-1]) - 1)
            inside[name] = case['structures'][name]['mask'][...][i[..., 2], i[..., 1], i[..., 0]].ravel() > 0
        inside['BODY'] &= ~inside['OuterTarget'] & ~inside['Core']
        rows = {name: np.flatnonzero(mask) for name, mask in inside.items()}
        rows['BODY'] = rows['BODY'][::7]  # enough for a proof; the other solver is slow
        for name, voxels in rows.items():
            f[f'structures/{name}/voxels'] = voxels.astype(np.uint64)
    assert all(len(r) > 20 for r in rows.values())
    return path, matrix, rows


def objective(matrix, rows, weights):
    """The value, and the gradient by weight."""
    dose = matrix @ weights
    slope, value = np.zeros_like(dose), 0.0
    for name, (weight, level) in (('OuterTarget', TARGET), ('Core', CORE), ('BODY', BODY)):
        excess = dose[rows[name]] - level
        if name != 'OuterTarget':
            excess = np.maximum(excess, 0.0)
        value += weight * np.mean(excess**2)
        slope[rows[name]] += 2.0 * weight * excess / len(excess)
    return value, matrix.T @ slope


def convex_optimum(matrix, rows, core_max=None):
    """min sum c t^2 over w >= 0, t = D w - level in the target, t >= D w - level and t >= 0 in the others."""
    n = matrix.shape[1]
    blocks, diagonal = [], []
    for name, (weight, level) in (('OuterTarget', TARGET), ('Core', CORE), ('BODY', BODY)):
        blocks.append((matrix[rows[name]], level, name == 'OuterTarget'))
        diagonal.append(np.full(len(rows[name]), 2.0 * weight / len(rows[name])))
    m = sum(len(d) for d in diagonal)
    quadratic = sp.diags_array(np.concatenate([np.zeros(n), *diagonal])).tocsc()
    equal, above, level_above, first = None, [], [], 0
    for d, level, is_target in blocks:
        pick = sp.csr_array((np.ones(d.shape[0]), (np.arange(d.shape[0]), first + np.arange(d.shape[0]))), (d.shape[0], m))
        first += d.shape[0]
        if is_target:
            equal = (sp.hstack([d, -pick]), np.full(d.shape[0], level))
        else:  # D w - t <= level, -t <= 0
            above += [sp.hstack([d, -pick]), sp.hstack([sp.csr_array((d.shape[0], n)), -pick])]
            level_above += [np.full(d.shape[0], level), np.zeros(d.shape[0])]
    above.append(sp.hstack([-sp.eye_array(n), sp.csr_array((n, m))]))
    level_above.append(np.zeros(n))
    if core_max is not None:
        core = matrix[rows['Core']]
        above.append(sp.hstack([core, sp.csr_array((core.shape[0], m))]))
        level_above.append(np.full(core.shape[0], core_max))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    a = sp.vstack([equal[0], *above]).tocsc()
    b = np.concatenate([equal[1], *level_above])
    cones = [clarabel.ZeroConeT(len(equal[1])), clarabel.NonnegativeConeT(len(b) - len(equal[1]))]
    solution = clarabel.DefaultSolver(quadratic, np.zeros(n + m), a, b, cones, settings).solve()
    assert str(solution.status) == 'Solved'
    return objective(matrix, rows, np.maximum(np.array(solution.x[:n]), 0.0))[0]


def optimise(path, folder, core_max=None):
    terms = [('OuterTarget', 'squared_deviation', *TARGET), ('Core', 'squared_overdose', *CORE),
             ('BODY', 'squared_overdose', *BODY)]
    text = 'objectives:\n' + ''.join(
        f'  - {{structure: {s}, kind: {k}, dose_gy: {d}, weight: {w}}}\n' for s, k, w, d in terms)
    if core_max is not None:
        text += f'  - {{structure: Core, kind: limit_max, dose_gy: {core_max}}}\n'
    (folder / 'terms.yaml').write_text(text)
    said = json.loads(run('optimise', path, '--objectives', folder / 'terms.yaml', '-o', folder / 'w.h5', '--json',
                          '--tolerance', 1e-5))
    with h5py.File(folder / 'w.h5') as f:
        return f['fluence/weights'][...], said


def test_objectives_reach_the_optimum_with_a_small_kkt_residual(problem, tmp_path):
    path, matrix, rows = problem
    weights, said = optimise(path, tmp_path)
    value, gradient = objective(matrix, rows, weights)
    best = convex_optimum(matrix, rows)
    assert (weights >= 0.0).all()
    assert said['objective'] == pytest.approx(value, rel=1e-3)  # the matrix has 16 bits an entry
    assert value <= 1.005 * best
    # Karush, Kuhn, Tucker: no weight gains by growing; where it is not 0, none by shrinking
    residual = np.where(weights > 0.0, np.abs(gradient), np.maximum(-gradient, 0.0)).max()
    yardstick = np.abs(objective(matrix, rows, np.zeros_like(weights))[1]).max()
    assert residual < 1e-2 * yardstick
    assert said['kkt_residual'] < 1e-2


def test_a_hard_limit_costs_no_more_than_it_must(problem, tmp_path):
    path, matrix, rows = problem
    free = (matrix @ optimise(path, tmp_path)[0])[rows['Core']].max()
    limit = round(0.8 * free, 1)  # binds: the penalty alone would exceed it by a quarter
    weights, said = optimise(path, tmp_path, limit)
    value, _ = objective(matrix, rows, weights)
    assert (matrix @ weights)[rows['Core']].max() <= limit + 0.1
    assert said['worst_limit_miss_gy'] <= 0.1
    assert value <= 1.005 * convex_optimum(matrix, rows, limit)
