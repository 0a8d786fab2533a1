"""Monte Carlo from the command line, judged by the dose that it writes."""
import os
import pathlib
import subprocess

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))


def test_photons_below_the_threshold_make_no_pairs(tmp_path):
    """1.020 MeV is less than two electron masses. A pair of less than no energy once ran through the phantom and took tens of MeV
    from each voxel on its way: one in a million histories, which shows in sigma (4.5 of a voxel's dose, 0.17 without)."""
    case, out = tmp_path / 'titanium.h5', tmp_path / 'dose.h5'
    subprocess.run([SPINEPLAN, '-q', 'phantom', 'slabs', '-o', case, '--voxel-mm', '5', '--size-mm', '100x100', '--layer', 'titanium:60'],
                   check=True)
    subprocess.run([SPINEPLAN, '-q', 'dose', case, '-o', out, '--source', 'parallel', '--field-mm', '50', '--energy-mev', '1.02',
                    '--histories', '1000000', '--engine', 'mc'], check=True, timeout=300)
    with h5py.File(out) as f:
        dose, sigma = f['dose/dose_gy_per_particle'][...], f['dose/sigma_gy_per_particle'][...]
    assert dose.min() > 0
    assert (sigma / dose).max() < 0.5
