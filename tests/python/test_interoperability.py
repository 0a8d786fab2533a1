"""The formats of other programs: the examples of docs/interoperability.md work as they stand, and numbers survive."""
import os
import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
import scipy.sparse

import convert
from egs_files import density_of, hu_of, read_3ddose, read_egsphant, write_3ddose
from image_files import read_image

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))


@pytest.fixture(scope='module')
def done(tmp_path_factory):
    """A folder in which all commands of the page were run."""
    folder = tmp_path_factory.mktemp('page')
    page = (ROOT / 'docs' / 'interoperability.md').read_text()
    for language, block in re.findall(r'^```(\w*)\n(.*?)^```$', page, re.S | re.M):
        if language == 'python' and 'portpy' not in block:  # PortPy itself is not among what the tests install
            subprocess.run([sys.executable, '-c', block], cwd=folder, check=True, timeout=60)
        for line in block.strip().splitlines() if not language else ():
            words = line.split()
            words[0] = SPINEPLAN if words[0] == 'build/spineplan' else str(ROOT / words[0])
            run = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            assert run.returncode == 0, f'{line}: {run.stderr}'
    return folder


def test_images_lie_where_the_grids_lie(done):
    with h5py.File(done / 'plan.h5') as f:
        for name, d in (('dose.nrrd', f['dose/dose_gy']), ('ct.mha', f['ct/hu'])):
            values, spacing, origin = read_image(done / name)
            assert values.dtype == d.dtype and np.array_equal(values, d[...])
            assert np.array_equal(spacing, d.attrs['spacing_mm']) and np.array_equal(origin, d.attrs['origin_mm'])
        with h5py.File(done / 'again.h5') as g:
            assert np.array_equal(g['dose/dose_gy'][...], f['dose/dose_gy'][...])


def test_egsnrc_dose_comes_back(done):
    with h5py.File(done / 'plan.h5') as f, h5py.File(done / 'egs.h5') as g:
        a, b = f['dose/dose_gy'], g['dose/dose_gy']
        assert np.allclose(a[...], b[...], rtol=1e-6)  # seven digits in the text
        assert b.attrs['spacing_mm'] == pytest.approx(a.attrs['spacing_mm'], abs=1e-4)
        assert b.attrs['origin_mm'] == pytest.approx(a.attrs['origin_mm'], abs=1e-3)


def test_egsnrc_phantom_has_the_densities_of_the_calibration(done):
    density, media, names, spacing, origin = read_egsphant(done / 'case.egsphant')
    with h5py.File(done / 'case.h5') as f:
        hu = f['ct/hu']
        expected, medium = density_of(hu[...])
        assert np.allclose(density, expected, rtol=1e-5) and np.array_equal(media, medium)
        assert spacing == pytest.approx(hu.attrs['spacing_mm']) and origin == pytest.approx(hu.attrs['origin_mm'], abs=1e-3)
        # 0 HU is tissue of 1.018 g/cm3, -1000 air (Schneider 2000)
        assert density_of(np.array([0, -1000]))[0] == pytest.approx([1.018, 0.00121], abs=1e-5)
        back = hu_of(density)
        assert np.allclose(density_of(back)[0], density, atol=2e-3)  # one HU is 0.001 g/cm3


def test_relative_errors_of_a_dose_survive(tmp_path):
    dose = np.linspace(1, 2, 60).reshape(3, 4, 5)
    error = np.linspace(0.01, 0.05, 60).reshape(3, 4, 5)
    write_3ddose(tmp_path / 'a.3ddose', dose, (2.0, 2.5, 3.0), (-7.1, 11.5, 104.0), error)
    for words in (('a.3ddose', 'b.h5', '--name', 'dose_gy'), ('b.h5', 'c.3ddose')):
        sys.argv = ['convert', str(tmp_path / words[0]), str(tmp_path / words[1]), *words[2:]]
        assert convert.main() == 0
    values, errors, spacing, origin = read_3ddose(tmp_path / 'c.3ddose')
    assert values == pytest.approx(dose, rel=1e-6) and errors == pytest.approx(error, rel=1e-5)
    assert list(spacing) == pytest.approx([2, 2.5, 3], abs=1e-5) and list(origin) == pytest.approx([-7.1, 11.5, 104], abs=1e-5)


def test_portpys_folder_holds_the_matrix(done):
    """As PortPy puts it together: rows of voxel, bixel, value; CT, voxels and structures of one shape."""
    import json
    folder = done / 'portpy' / 'Patient_1'

    def follow(reference, below=''):
        name, _, path = reference.partition('.h5/')
        with h5py.File(folder / below / f'{name}.h5') as f:
            return f[path][...]
    with h5py.File(done / 'matrix.h5') as f:
        g = f['influence']
        ours = scipy.sparse.csr_matrix((g['data'][...], g['indices'][...], g['indptr'][...]), shape=tuple(g.attrs['shape']))
        bixels, size = g['bixels'][...], tuple(int(v) for v in g.attrs['size'][::-1])
    voxels = follow(json.loads((folder / 'OptimizationVoxels_MetaData.json').read_text())['ct_to_dose_voxel_map_File'])
    ct = json.loads((folder / 'CT_MetaData.json').read_text())
    assert voxels.shape == size == follow(ct['ct_hu_3d_File']).shape
    weights, dose = np.random.default_rng(5).random(ours.shape[1]), 0
    for path in sorted((folder / 'Beams').glob('*.json')):
        beam = json.loads(path.read_text())
        sparse = follow(beam['influenceMatrixSparse_File'], 'Beams')
        part = scipy.sparse.csr_matrix((sparse[:, 2], (sparse[:, 0].astype(int), sparse[:, 1].astype(int))))
        x, y = (follow(beam['beamlets'][f'position_{a}_mm_File'], 'Beams') for a in 'xy')
        assert part.shape == (voxels.size, len(x)) and len(x) == len(np.unique(x)) * len(np.unique(y))
        own = np.zeros(len(x))
        for i in np.flatnonzero(bixels[:, 0] == beam['ID']):
            own[np.flatnonzero((x == bixels[i, 1]) & (y == bixels[i, 2]))[0]] = weights[i]
        assert beam['gantry_angle'] == 90 * beam['ID']
        with h5py.File(done / 'plan.h5') as f:  # on another dose grid, where the target's centre of volume is another
            assert list(beam['iso_center'].values()) == pytest.approx(f['beams/0'].attrs['isocentre_mm'], abs=0.5)
        dose = dose + part @ own
    assert np.allclose(dose, ours @ weights, rtol=1e-6, atol=1e-12)
    with h5py.File(done / 'plan.h5') as f:
        for s in json.loads((folder / 'StructureSet_MetaData.json').read_text()):
            assert follow(s['structure_mask_3d_File']).shape == size
            true = float(f[f'dvh/{s["name"]}/volume_cc'][0])
            if true > 300:  # voxels of a cubic centimetre count small organs badly
                assert s['volume_cc'] == pytest.approx(true, rel=0.06), s['name']


@pytest.mark.parametrize('name, text, sentence', [
    ('a.3ddose', '', 'does not begin with three numbers of voxels'),
    ('a.3ddose', '2 2 2\n0 1 2\n0 1 2\n0 1 2\n1 2 3', 'ends in its doses: 3 numbers, expected 8'),
    ('a.3ddose', '2 1 1\n0 1 3\n0 1\n0 1\n1 2', 'unequal widths'),
    ('a.3ddose', '99999999 99999999 9', 'does not begin with three numbers of voxels'),
    ('a.3ddose', '1 1 1\n0 1\n0 1\n0 1\nx', 'doses'),
    ('a.egsphant', 'what', 'does not begin with a number of media'),
    ('a.egsphant', '1\nAIR\n1\n1 1 1\n0 1\n0 1\n0 1\n2\n1.0', 'voxels of media'),
    ('a.nrrd', 'NRRD0004\ntype: float\n', 'no end of its header'),
    ('a.mha', 'nothing', 'no end of its header'),
    ('a.xyz', '', 'expected a name that ends in one of'),
    ('a.h5', 'no HDF5', 'a.h5'),
])
def test_damaged_files_are_refused_in_a_sentence(tmp_path, capsys, name, text, sentence):
    (tmp_path / name).write_text(text)
    sys.argv = ['convert', str(tmp_path / name), str(tmp_path / 'out.h5')]
    assert convert.main() == 2
    assert sentence in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [name]
