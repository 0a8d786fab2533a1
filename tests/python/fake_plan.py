"""A plan file with a made-up dose, written as docs/plan-format.md says, for the tests of the report."""
import json
import sys

import h5py
import numpy as np

EVIL = '<script>document.title="owned"</script>&"\''


def _sphere_dose(case_ct, centre_mm, spacing_mm, top_gy):
    """Falls off as a smooth ball around centre, longer along z: asymmetric enough to tell the views apart."""
    spacing = np.asarray(spacing_mm, float)
    size = np.array(case_ct.shape[::-1]) * case_ct.attrs['spacing_mm']
    n = np.maximum(4, (size * (0.7, 0.6, 0.8) / spacing).astype(int))
    origin = np.asarray(centre_mm) - spacing * (n // 2)
    x, y, z = (origin[a] + spacing[a] * np.arange(n[a]) - centre_mm[a] for a in range(3))
    r = np.sqrt((x[None, None, :] / 28) ** 2 + (y[None, :, None] / 22) ** 2 + (z[:, None, None] / 20) ** 2)
    dose = top_gy / (1 + np.exp((r - 1.2) * 5)) + 0.12 * top_gy * np.exp(-r)
    return dose.astype(np.float32), spacing, origin


def _beams(f, technique, centre_mm, n_beams, rng):
    for i in range(n_beams):
        b = f.create_group(f'beams/{i}')
        b.attrs['technique'], b.attrs['machine'], b.attrs['isocentre_mm'] = technique, 'generic-6mv', centre_mm
        b.attrs['bixel_mm'] = 5.0
        b.attrs['gantry_deg'], b.attrs['collimator_deg'], b.attrs['couch_deg'] = [40.0 * i], [0.0], [0.0]
        x, y = np.meshgrid(np.arange(-32.5, 33, 5), np.arange(-27.5, 28, 5))
        inside = (x / 33) ** 2 + (y / 28) ** 2 < 1
        b['bixel_x_mm'], b['bixel_y_mm'] = x[inside], y[inside]
        b['weights'] = rng.random(inside.sum()) * np.exp(-((x[inside] - 10) / 30) ** 2)


def write_fake_plan(case_path, plan_path, technique='fluence', n_beams=9, centre_mm=None):
    """Carries the case's CT and structures over, as real plans do."""
    rng = np.random.default_rng(7)
    with h5py.File(case_path) as case, h5py.File(plan_path, 'w') as f:
        for name in ('ct', 'structures', 'prescription'):
            case.copy(name, f)
        target = f['prescription'].attrs['target']
        group = f['structures'][target]
        if centre_mm is None:
            centre_mm = group['points_mm'][()].mean(0)
        top = float(f['prescription'].attrs['dose_gy']) * 1.04
        dose, spacing, origin = _sphere_dose(f['ct/hu'], centre_mm, (2.0, 2.0, 2.5), top)
        d = f.create_dataset('dose/dose_gy', data=dose, compression='gzip')
        d.attrs['spacing_mm'], d.attrs['origin_mm'] = spacing, origin
        _beams(f, technique, centre_mm, n_beams, rng)
        structures, limits = [], []
        for k, (name, s) in enumerate(f['structures'].items()):
            role = s.attrs['role']
            high = top if role in ('ptv', 'ctv', 'gtv', 'external') else top * 0.8 * rng.random()
            gy = np.linspace(0, high, 500)
            middle, width = (0.98 * top, 0.01 * top) if role in ('ptv', 'ctv', 'gtv') else (high * 0.4, high * 0.15)
            curve = 1 / (1 + np.exp((gy - middle) / max(width, 1e-6)))
            f[f'dvh/{name}/dose_gy'], f[f'dvh/{name}/volume_cc'] = gy, (20 + k) * curve / curve[0]
            structures.append({'name': name, 'role': role, 'volume_cc': 20.0 + k, 'metrics': {
                'Dmax_Gy': high, 'D0.03cc_Gy': 0.99 * high, 'D2_Gy': 0.97 * high, 'D50_Gy': 0.6 * high,
                'D95_Gy': 0.2 * high, 'D98_Gy': 0.15 * high, 'Dmean_Gy': 0.5 * high}})
            if role in ('cord', 'organ') and len(limits) < 7:
                limits.append({'structure': name, 'metric': 'D0.03cc_Gy', 'limit': 17.0, 'value': 0.99 * high,
                               'unit': 'Gy', 'met': bool(0.99 * high <= 17.0), 'hard': role == 'cord', 'sense': 'at most', 'unverified': False,
                               'source': 'made up for the test'})
        evaluation = {'structures': structures, 'limits': limits, 'all_limits_met': all(m['met'] for m in limits),
                      'paddick_ci': 0.83, 'gradient_index': 3.4, 'homogeneity_index': 0.08}
        f['evaluation'] = json.dumps(evaluation)
        f['provenance'] = json.dumps({'version': '0.1.0', 'device': 'pocl', 'seed': 1, 'case_sha256': 'ab' * 32,
                                      'command_line': f'spineplan plan {EVIL}', 'seconds': {'optimise': 12.5}})


if __name__ == '__main__':
    write_fake_plan(*sys.argv[1:3])
