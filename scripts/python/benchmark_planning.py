"""scripts/benchmark planning: TG-119, nine beams, 5 mm bixels, 3 mm dose grid, spineplan against pyRadPlan.

Matrix: each program's own. Optimisation: both on pyRadPlan's matrix with pyRadPlan's objectives, the core at 10 Gy (the
"harder" problem), so that the objective values compare. spineplan's matrix is timed before and after pyRadPlan's run; its
optimisation twice after it, since it needs that matrix. Of two times the longer one counts for spineplan.
usage: benchmark_planning.py ROOT FOLDER"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

TERMS = (('OuterTarget', 'squared_deviation', 50.0, 1000.0), ('Core', 'squared_overdose', 10.0, 300.0),
         ('BODY', 'squared_overdose', 30.0, 100.0))
ANGLES = range(0, 360, 40)


def pyradplan(folder):
    """Its matrix (written as spineplan reads it) and its optimisation; a process of its own, so that memory is its own."""
    import h5py  # pylint: disable=import-outside-toplevel
    import numpy as np  # pylint: disable=import-outside-toplevel
    from pyRadPlan import (PhotonPlan, calc_dose_influence, fluence_optimization,  # pylint: disable=import-outside-toplevel
                           generate_stf, load_tg119)
    from pyRadPlan.optimization.objectives import SquaredOverdosing  # pylint: disable=import-outside-toplevel

    ct, cst = load_tg119()
    for voi in cst.vois:
        if voi.name == 'Core':
            voi.objectives = [SquaredOverdosing(priority=300.0, d_max=10.0)]
    plan = PhotonPlan(machine='Generic')
    plan.prop_stf = {'gantry_angles': np.array(ANGLES, float), 'couch_angles': np.zeros(len(ANGLES)), 'bixel_width': 5.0}
    plan.prop_dose_calc = {'dose_grid': {'resolution': {'x': 3.0, 'y': 3.0, 'z': 3.0}}}
    geometry = generate_stf(ct, cst, plan)
    start = time.perf_counter()
    dij = calc_dose_influence(ct, cst, geometry, plan)
    said = {'matrix_s': time.perf_counter() - start,
            'matrix_peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0}
    info = {}
    start = time.perf_counter()
    weights = fluence_optimization(ct, cst, geometry, dij, plan, opt_info=info)
    said['optimise_s'] = time.perf_counter() - start
    said['evaluations'] = len(info.get('obj_history', ()))

    rows = dij.physical_dose.flat[0].tocsr()
    on_grid = cst.apply_overlap_priorities().resample_on_new_ct(ct.resample_to_grid(dij.dose_grid))
    dose = rows @ np.asarray(weights, np.float32)
    said.update(voxels=int(rows.shape[0]), bixels=int(rows.shape[1]), entries=int(rows.nnz), objective=0.0)
    with h5py.File(folder / 'pyradplan.h5', 'w') as f:
        group = f.create_group('influence')
        group.attrs['shape'] = np.array(rows.shape, np.uint64)
        grid = dij.dose_grid
        group.attrs['size'] = np.array(grid.dimensions, np.uint64)
        group.attrs['spacing_mm'] = [grid.resolution[k] for k in 'xyz']
        group.attrs['origin_mm'] = np.asarray(grid.origin, float)
        group['data'] = rows.data.astype(np.float32)
        group['indices'] = rows.indices.astype(np.uint32)
        group['indptr'] = rows.indptr.astype(np.uint64)
        for voi in on_grid.vois:
            voxels = np.sort(np.asarray(voi.indices_numpy))
            f[f'structures/{voi.name}/voxels'] = voxels.astype(np.uint64)
            for name, kind, level, weight in TERMS:
                if name == voi.name:
                    excess = dose[voxels].astype(float) - level
                    excess = excess if kind == 'squared_deviation' else np.maximum(excess, 0.0)
                    said['objective'] += weight * float(np.mean(excess**2))
    (folder / 'pyradplan.json').write_text(json.dumps(said))


def newton_optimum(folder):
    """The least objective, by projected Newton steps in double precision (Bertsekas 1982), and a value that no weights
    can go below, by Lagrange duality: -sum(y level + y^2 / 4c) for any y with D'y >= 0, y >= 0 where overdose counts."""
    import h5py  # pylint: disable=import-outside-toplevel
    import numpy as np  # pylint: disable=import-outside-toplevel
    import scipy.sparse as sp  # pylint: disable=import-outside-toplevel

    with h5py.File(folder / 'pyradplan.h5') as f, h5py.File(folder / 'weights.h5') as w:
        m = f['influence']
        rows = sp.csr_array((m['data'][...], m['indices'][...], m['indptr'][...]), m.attrs['shape'])
        parts = [rows[f[f'structures/{name}/voxels'][...]] for name, *_ in TERMS]
        weights = w['fluence/weights'][...]
    d = sp.vstack(parts).tocsr().astype(np.float64)
    size = [part.shape[0] for part in parts]
    cost = np.repeat([c / n for (*_, c), n in zip(TERMS, size)], size)
    level = np.repeat([term[2] for term in TERMS], size)
    both_ways = np.repeat([term[1] == 'squared_deviation' for term in TERMS], size)

    def excess(w):
        e = d @ w - level
        return np.where(both_ways, e, np.maximum(e, 0.0))

    e = excess(weights)
    value = cost @ e**2
    for _ in range(30):
        active = np.flatnonzero(both_ways | (e > 0.0))
        used = d[active]
        gain = used.T @ (2.0 * cost[active] * e[active])
        free = (weights > 1e-9) | (gain < 0.0)
        scaled = (sp.diags_array(np.sqrt(2.0 * cost[active])) @ used[:, free]).toarray()
        curve = scaled.T @ scaled
        curve[np.diag_indices_from(curve)] += 1e-9 * np.trace(curve) / len(curve)
        step = np.zeros_like(weights)
        step[free] = -np.linalg.solve(curve, gain[free])
        before, length = value, 1.0
        while length > 1e-6:
            trial = np.maximum(weights + length * step, 0.0)
            e_trial = excess(trial)
            if cost @ e_trial**2 < value:
                weights, e, value = trial, e_trial, cost @ e_trial**2
                break
            length *= 0.5
        if before - value < 1e-9 * value:
            break
    y = 2.0 * cost * e
    short = np.maximum(-(d.T @ y), 0.0)
    push = d @ (short / np.maximum((d.power(2)).sum(axis=0), 1e-30))  # no entry of D is negative: raises all of D'y
    raised = d.T @ push
    share = float(np.max(np.divide(short, raised, out=np.zeros_like(short), where=short > 0.0)))
    y = y + share * push
    return float(value), -float(np.sum(y * level + y**2 / (4.0 * cost)))


def spineplan(program, *arguments):
    done = subprocess.run([str(program), '-q', *map(str, arguments), '--json'], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f'benchmark: {program} {arguments[0]} failed:\n{done.stderr}')
    return json.loads(done.stdout)


def own_matrix(program, case):
    start = time.perf_counter()
    said = spineplan(program, 'influence', case, '--beams', ','.join(map(str, ANGLES)), '--grid-mm', 3)
    said['wall_s'] = time.perf_counter() - start
    return said


def main():
    root, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if len(sys.argv) > 3:
        pyradplan(folder)
        return
    program, case = root / 'build' / 'spineplan', root / 'tests' / 'data' / 'tg119.h5'
    matrices = [own_matrix(program, case)]
    print('benchmark: pyRadPlan computes its matrix and optimises; this takes some minutes', flush=True)
    subprocess.run([sys.executable, __file__, root, folder, 'pyradplan'], check=True)
    peer = json.loads((folder / 'pyradplan.json').read_text())
    matrices.append(own_matrix(program, case))
    (folder / 'harder.yaml').write_text('objectives:\n' + ''.join(
        f'  - {{structure: {s}, kind: {k}, dose_gy: {d}, weight: {w}}}\n' for s, k, d, w in TERMS))
    matrix, terms = folder / 'pyradplan.h5', folder / 'harder.yaml'
    reached = [spineplan(program, 'optimise', matrix, '--objectives', terms, '--target', peer['objective'])
               for _ in range(2)]
    best = spineplan(program, 'optimise', matrix, '--objectives', terms, '--tolerance', 1e-6, '-o',
                     folder / 'weights.h5')
    optimum, bound = newton_optimum(folder)

    own = max(matrices, key=lambda m: m['wall_s'])
    fast = max(reached, key=lambda r: r['seconds'])
    print(f"""
TG-119, 9 beams, 5 mm bixels, 3 mm dose grid              pyRadPlan    spineplan
influence matrix, s                                      {peer['matrix_s']:10.1f}   {own['wall_s']:10.1f}
  peak memory, MB                                        {peer['matrix_peak_mb']:10.0f}   {own['peak_memory_mb']:10.0f}
  entries, million                                       {1e-6 * peer['entries']:10.1f}   {1e-6 * own['entries']:10.1f}
'harder' problem on pyRadPlan's matrix: objective        {peer['objective']:10.2f}   {fast['objective']:10.2f}
  seconds to that objective                              {peer['optimise_s']:10.1f}   {fast['seconds']:10.1f}
  objective when left to converge                                     {best['objective']:13.2f}
  optimum by projected Newton steps, double precision                 {optimum:13.2f}
  no weights can have less than (duality)                             {bound:13.2f}
  ratio of the times                                     {peer['optimise_s'] / fast['seconds']:10.1f}
load average over the last minutes: {', '.join(f'{x:.1f}' for x in os.getloadavg())}""")


if __name__ == '__main__':
    main()
