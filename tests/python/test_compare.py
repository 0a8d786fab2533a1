"""spineplan compare, as a user runs it."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
SPACING, ORIGIN = (2.0, 2.5, 3.0), (-31.0, 12.5, 104.0)


def run(*arguments):
    return subprocess.run([SPINEPLAN, 'compare', *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          check=False)


def write_dose(path, dose, spacing=SPACING, origin=ORIGIN, name='dose/dose_gy'):
    with h5py.File(path, 'a') as f:
        d = f.create_dataset(name, data=np.asarray(dose, np.float32))
        d.attrs['spacing_mm'], d.attrs['origin_mm'] = np.asarray(spacing), np.asarray(origin)
    return path


def ramp(slope=(0.3, 0.2, 0.1), base=10.0, n=(12, 10, 9), spacing=SPACING, origin=ORIGIN):
    x, y, z = (origin[a] + spacing[a] * np.arange(n[a]) - ORIGIN[a] for a in range(3))
    return base + slope[0] * x[None, None, :] + slope[1] * y[None, :, None] + slope[2] * z[:, None, None]


@pytest.fixture
def a(tmp_path):
    return write_dose(tmp_path / 'a.h5', ramp())


def test_a_dose_agrees_with_itself(a):
    done = run(a, a, '--json')

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said['gamma']['pass_percent'] == 100 and said['gamma']['greatest'] < 1e-4
    assert said['gamma']['n_judged'] == 12 * 10 * 9
    assert said['difference']['rms_gy'] < 1e-5


def test_other_grids_compare_place_by_place(a, tmp_path):
    # the same ramp on a grid that covers A: trilinear doses are exact for it
    spacing, origin, n = (1.7, 2.1, 2.6), (-33.0, 11.0, 102.0), (16, 14, 13)
    b = write_dose(tmp_path / 'b.h5', ramp(n=n, spacing=spacing, origin=origin) + 0.2, spacing, origin)

    said = json.loads(run(a, b, '--json', '--profile', 'y', '--at', '-29,20,110').stdout)

    difference = said['difference']
    assert difference['n_outside_b'] == 0
    assert [difference[k] for k in ('mean_gy', 'rms_gy', 'least_gy', 'greatest_gy')] == pytest.approx([0.2] * 4, abs=1e-5)
    profile = said['profiles'][0]
    assert profile['axis'] == 'y' and profile['at_mm'] == pytest.approx(list(12.5 + 2.5 * np.arange(10)))
    assert profile['a_gy'][0] == pytest.approx(10 + 0.3 * 2 + 0.1 * 6, abs=1e-5)
    assert profile['b_gy'][4] - profile['a_gy'][4] == pytest.approx(0.2, abs=1e-5)


def test_threshold_normalisation_and_local_dose_are_as_asked(a, tmp_path):
    dose = ramp()
    b = write_dose(tmp_path / 'b.h5', dose * 1.03)

    below = json.loads(run(a, b, '--threshold', '80%', '--json').stdout)['gamma']
    assert below['n_judged'] == (dose.astype(np.float32) >= 0.8 * dose.max()).sum()
    assert below['n_below_threshold'] + below['n_judged'] == dose.size
    of_20 = json.loads(run(a, b, '--normalise', '20', '--gamma', '3%/0.001mm', '--json').stdout)['gamma']
    assert of_20['greatest'] == pytest.approx(0.03 * dose.max() / 0.6, rel=1e-2)
    local = json.loads(run(a, b, '--local', '--gamma', '6%/0.001mm', '--json').stdout)['gamma']
    assert [local['mean'], local['greatest']] == pytest.approx([0.5, 0.5], rel=5e-3)


def test_gammas_are_written_on_the_grid_of_a(a, tmp_path):
    b = write_dose(tmp_path / 'b.h5', ramp(n=(6, 10, 9)))

    done = run(a, b, '-o', tmp_path / 'gamma.h5')

    assert done.returncode == 0
    assert '540 points above the threshold lie beyond' in done.stderr
    with h5py.File(tmp_path / 'gamma.h5') as f:
        gamma = f['gamma/gamma']
        assert gamma.attrs['spacing_mm'] == pytest.approx(SPACING) and gamma.attrs['origin_mm'] == pytest.approx(ORIGIN)
        assert np.isfinite(gamma[..., :6]).all() and np.isnan(gamma[..., 6:]).all()


def test_required_pass_rate_sets_the_exit_status(a, tmp_path):
    b = write_dose(tmp_path / 'b.h5', ramp() * 1.2)

    assert run(a, b, '--require-pass', '95%').returncode == 1
    assert run(a, b, '--require-pass', '95%', '--scale-b', 1 / 1.2).returncode == 0


def test_doses_per_something_else_are_not_mixed_up(a, tmp_path):
    b = write_dose(tmp_path / 'b.h5', ramp(), name='dose/dose_gy_per_particle')

    done = run(a, b)
    assert done.returncode == 2
    assert 'not the same kind of dose' in done.stderr
    assert run(a, f'{b}:/dose/dose_gy_per_particle').returncode == 0


@pytest.mark.parametrize('arguments, sentence', [
    ((), 'expected two doses A and B, found 1'),
    (('missing.h5',), 'missing.h5'),
    (('A', '--gamma', '3%2mm'), "'3%2mm' is no good value"),
    (('A', '--gamma', '3%/0mm'), "'3%/0mm' is no good value"),
    (('A', '--gamma', 'nan%/2mm'), "'nan%/2mm' is no good value"),
    (('A', '--profile', 'w'), "'w' is no good value"),
    (('A', '--at', '1,2'), "'1,2' is no good value"),
    (('A', '--threshold', '120%'), "'120%' is no good value"),
    (('A', '--nonsense'), '--nonsense is unknown'),
    (('FAR',), 'are beyond its grid'),
    (('NAN',), 'expected a dose'),
    (('CASE',), 'has no dose'),
    (('A:/dose/other',), '/dose/other'),
])
def test_wrong_use_is_one_sentence(a, tmp_path, arguments, sentence):
    far = write_dose(tmp_path / 'far.h5', ramp(), origin=(900, 900, 900))
    broken = write_dose(tmp_path / 'nan.h5', np.full((3, 3, 3), np.nan))
    names = {'A': a, 'FAR': far, 'NAN': broken, 'CASE': ROOT / 'tests' / 'data' / 'tg119.h5', 'A:/dose/other': f'{a}:/dose/other'}

    done = run(a, *(names.get(word, word) for word in arguments))

    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[-1]
    assert done.stdout == ''


@pytest.mark.skipif(not shutil.which('plastimatch'), reason='plastimatch is not installed')
def test_plastimatch_judges_the_same_points():
    """On voxels of a quarter: it looks for the least gamma along the edges of voxels only (docs/comparison.md)."""
    done = subprocess.run([sys.executable, str(ROOT / 'scripts' / 'python' / 'benchmark_gamma.py'), '--size', '24', '--refine', '4',
                           '--shift', '2.2', '--scale', '1.04', '--no-pymedphys'], capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stderr
    passed = [float(v) for v in re.findall(r'passed +([\d.]+) %', done.stdout)]
    assert len(passed) == 2 and 85 < passed[0] < 99
    assert passed[1] == pytest.approx(passed[0], abs=0.5)
    assert float(re.search(r'([\d.]+) % judged differently', done.stdout)[1]) < 0.5
