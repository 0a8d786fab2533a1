"""A deliverable plan through DICOM and back, and recalculated from what came back."""
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

import make_report
import plan2dicom
import rtdose2h5
import rtplan2h5


def call(module, *arguments):
    before, sys.argv = sys.argv, [module.__name__, *map(str, arguments)]
    try:
        return module.main()
    finally:
        sys.argv = before


def errors_of(path):
    done = subprocess.run(['dciodvfy', str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith('Error') or 'ssertion' in line]


def same_beams(a, b):
    """Every control point of two plan files: DICOM's decimals have 16 characters at most."""
    assert list(a['beams']) == list(b['beams'])
    for key in a['beams']:
        old, new = a['beams'][key], b['beams'][key]
        assert new.attrs['technique'] == old.attrs['technique'] and new.attrs['machine'] == old.attrs['machine']
        assert new.attrs['mu'] == pytest.approx(old.attrs['mu'], abs=1e-6)
        assert new.attrs['isocentre_mm'] == pytest.approx(old.attrs['isocentre_mm'], abs=1e-3)
        for name in ('gantry_deg', 'collimator_deg', 'couch_deg', 'jaws_mm', 'leaves_mm', 'leaf_boundaries_mm', 'cumulative_mu'):
            assert new[name].shape == old[name].shape
            assert np.abs(new[name][...] - old[name][...]).max() < 1e-3, name
        assert np.array_equal(new['gantry_turn'][:-1], old['gantry_turn'][:-1])


def report_of(plan):
    """The text of the plan's report, which has the monitor units of each of its beams."""
    page = pathlib.Path(plan).with_suffix('.html')
    assert call(make_report, plan, '-o', page) == 0
    text = page.read_text(encoding='utf-8')
    assert 'not deliverable' not in text
    with h5py.File(plan) as f:
        for b in f['beams'].values():
            assert f"{b.attrs['mu']:.1f} MU" in text
    return text


def export_and_recalculate(spineplan, case, plan, grid_mm):
    """Fails unless the export is valid, comes back as it was, and gives the plan's dose by Monte Carlo again."""
    folder = pathlib.Path(plan).parent
    out, again, dose = folder / 'dicom', folder / 'again.h5', folder / 'again.dose.h5'
    assert call(plan2dicom, plan, '-o', out) == 0
    if shutil.which('dciodvfy'):
        for name in ('RP.dcm', 'RD.dcm', 'RS.dcm', 'CT/CT0001.dcm'):
            assert errors_of(out / name) == [], name
    assert call(rtplan2h5, out / 'RP.dcm', '--case', case, '-o', again) == 0
    done = subprocess.run([spineplan, 'dose', str(case), str(again), '-o', str(dose), '--engine', 'mc', '--uncertainty', '6%',
                           '--seed', '7', '--grid-mm', str(grid_mm)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert call(rtdose2h5, out / 'RD.dcm', '-o', folder / 'rtdose.h5') == 0
    # 24 Gy: the greatest dose of a coarse calculation may be that of a voxel of air with few histories
    done = subprocess.run([spineplan, 'compare', str(folder / 'rtdose.h5'), str(dose), '--gamma', '10%/5mm', '--normalise', '24',
                           '--threshold', '30%', '--require-pass', '95'], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with h5py.File(plan) as a, h5py.File(again) as b, h5py.File(dose) as c:
        same_beams(a, b)
        first, second = a['dose/dose_gy'][...], c['dose/dose_gy'][...]
        assert first.shape == second.shape
        # high doses that both know to a fifth: not those of air, where a few histories may give any dose
        known = [f['dose/sigma_gy'][...] < 0.2 * d for f, d in ((a, first), (c, second))]
        hot = (first + second > 2 * 8.0) & known[0] & known[1]
        assert hot.sum() >= 50
        assert second[hot].sum() == pytest.approx(first[hot].sum(), rel=0.02)
