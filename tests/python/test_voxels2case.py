"""An HDF5 file with masks becomes a case; the masks stay what they were."""
import sys

import h5py
import numpy as np
import pytest

import voxels2case

SHAPE = (4, 5, 6)


@pytest.fixture
def voxels(tmp_path):
    path = tmp_path / 'voxels.h5'
    with h5py.File(path, 'w') as f:
        f['ct'] = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32) - 50
        f['spacing_mm'], f['origin_mm'] = [1.0, 2.0, 3.0], [-7.0, 8.0, 9.0]
        body = np.ones(SHAPE, np.uint8)
        target = np.zeros(SHAPE, np.uint8)
        target[1:3, 2, 1:5] = 1
        f['structures/BODY'], f['structures/OuterTarget'], f['structures/Core'] = body, target, 1 - target
    return path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['voxels2case', *map(str, arguments)])
    return voxels2case.main()


def test_masks_and_grid_are_kept(voxels, tmp_path, monkeypatch):
    out = tmp_path / 'case.h5'
    assert run(monkeypatch, voxels, '-o', out, '--target', 'OuterTarget', '--target-dose', 50, '--fractions', 25) == 0

    with h5py.File(out) as case, h5py.File(voxels) as source:
        assert np.array_equal(case['ct/hu'], source['ct'])
        assert list(case['ct/hu'].attrs['spacing_mm']) == [1, 2, 3]
        assert list(case['ct/hu'].attrs['origin_mm']) == [-7, 8, 9]
        roles = {name: s.attrs['role'] for name, s in case['structures'].items()}
        assert roles == {'BODY': 'external', 'OuterTarget': 'ptv', 'Core': 'organ'}
        assert np.array_equal(case['structures/OuterTarget/mask'], source['structures/OuterTarget'])


@pytest.mark.parametrize('arguments, sentence', [
    (['--target', 'Nowhere', '--target-dose', '50', '--fractions', '2'], 'there is no structure "Nowhere"'),
    (['--target-dose', '50'], 'belong together'),
    (['--target', 'Core'], 'give --target-dose and --fractions, or --protocol'),
    (['--role', 'Cor=cord'], 'names what'),
])
def test_wrong_wishes_are_refused(voxels, tmp_path, monkeypatch, capsys, arguments, sentence):
    assert run(monkeypatch, voxels, '-o', tmp_path / 'case.h5', *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'case.h5').exists()


def test_mask_of_another_shape_is_refused(voxels, tmp_path, monkeypatch, capsys):
    with h5py.File(voxels, 'a') as f:
        f['structures/Odd'] = np.zeros((2, 2, 2), np.uint8)

    assert run(monkeypatch, voxels, '-o', tmp_path / 'case.h5') == 2
    assert 'structures/Odd has shape (2, 2, 2), expected (4, 5, 6)' in capsys.readouterr().err
