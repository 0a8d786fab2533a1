"""A CT series and an RTSTRUCT become a case with the same voxels in the same places; what does not fit is refused."""
import sys

import h5py
import numpy as np
import pytest

import dicom2case
from small_dicom import (DX, DY, DZ, NX, NY, NZ, X0, Y0, Z0, picture, rectangle, write_series, write_slice,
                         write_structures)


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    """Runs the script on tmp_path/in; returns (exit status, what it said, the case or None)."""
    (tmp_path / 'in').mkdir()

    def run(*arguments):
        out = tmp_path / 'case.h5'
        monkeypatch.setattr(sys, 'argv', ['dicom2case', str(tmp_path / 'in'), '-o', str(out), *arguments])
        status = dicom2case.main()
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith('.')] == []  # no half file left
        return status, capsys.readouterr().err, h5py.File(out) if out.exists() else None

    run.folder = tmp_path / 'in'
    return run


def test_voxels_and_grid_are_those_of_the_series(convert):
    write_series(convert.folder)

    status, _, case = convert()

    assert status == 0
    hu = case['ct/hu']
    assert hu.dtype == np.int16 and hu.shape == (NZ, NY, NX)
    assert np.array_equal(hu[...], picture())
    assert hu.attrs['spacing_mm'] == pytest.approx([DX, DY, DZ])
    assert hu.attrs['origin_mm'] == pytest.approx([X0, Y0, Z0])
    assert hu.attrs['patient_position'] == 'HFS'
    assert case.attrs['version'] == 1


def test_prone_series_is_turned_into_patient_axes(convert):
    # rows run to the patient's right and columns to the front: the first stored voxel is the last on both axes
    write_series(convert.folder, picture()[:, ::-1, ::-1], orientation=(-1, 0, 0, 0, -1, 0))
    for k, path in enumerate(sorted(convert.folder.iterdir(), reverse=True)):
        write_slice(path, k, picture()[k, ::-1, ::-1], orientation=(-1, 0, 0, 0, -1, 0), PatientPosition='HFP',
                    position=(X0 + DX * (NX - 1), Y0 + DY * (NY - 1), Z0 + DZ * k))

    status, _, case = convert()

    assert status == 0
    assert np.array_equal(case['ct/hu'][...], picture())
    assert case['ct/hu'].attrs['origin_mm'] == pytest.approx([X0, Y0, Z0])


def test_contours_keep_their_places_and_roles(convert):
    write_series(convert.folder)
    z = [Z0 + DZ * k for k in range(NZ)]
    body = [rectangle(X0, X0 + 15, Y0, Y0 + 14, v) for v in z]
    ring = [rectangle(X0 + 4, X0 + 11, Y0 + 3, Y0 + 12, z[2]), rectangle(X0 + 6, X0 + 9, Y0 + 5, Y0 + 8, z[2])]
    write_structures(convert.folder / 'RS', [
        ('Outline', 'EXTERNAL', body), ('SpinalCord_auto', 'ORGAN', [rectangle(X0 + 5, X0 + 7, Y0 + 6, Y0 + 8, z[3])]),
        ('PTV_24', '', ring), ('Bowel/left', 'ORGAN', [rectangle(X0 + 1, X0 + 2, Y0 + 1, Y0 + 2, z[4])]),
        ('Nothing', 'ORGAN', [])])

    status, said, case = convert('--target', 'PTV_24', '--target-dose', '24', '--fractions', '2', '--protocol', 'p')

    assert status == 0
    assert {n: s.attrs['role'] for n, s in case['structures'].items()} == {
        'Outline': 'external', 'SpinalCord_auto': 'cord', 'PTV_24': 'ptv', 'Bowel_left': 'organ'}
    assert '"Nothing" has no contours' in said
    ptv = case['structures/PTV_24']
    assert list(ptv['offsets']) == [0, 4, 8]
    assert ptv['points_mm'][...] == pytest.approx(np.array(ring).reshape(-1, 3))
    assert list(ptv.attrs['colour']) == [30, 20, 30]
    assert dict(case['prescription'].attrs) == {'dose_gy': 24.0, 'fractions': 2, 'target': 'PTV_24', 'protocol': 'p'}


def test_role_can_be_given_by_hand(convert):
    write_series(convert.folder)
    write_structures(convert.folder / 'RS', [('weird', '', [rectangle(X0, X0 + 5, Y0, Y0 + 5, Z0)])])

    assert convert('--role', 'weird=cord')[2]['structures/weird'].attrs['role'] == 'cord'
    assert '--role names structures that are not there: wierd' in convert('--role', 'wierd=cord')[1]
    assert 'expected NAME=ROLE' in convert('--role', 'weird=lung')[1]


def test_contours_beyond_the_ct_are_left_out_and_said(convert):
    write_series(convert.folder)
    write_structures(convert.folder / 'RS', [('liver', '', [rectangle(X0, X0 + 5, Y0, Y0 + 5, Z0),
                                                            rectangle(X0, X0 + 5, Y0, Y0 + 5, Z0 - 30)])])

    status, said, case = convert()

    assert status == 0
    assert '"liver": 1 contours lie above or below the CT' in said
    assert list(case['structures/liver/offsets']) == [0, 4]


def test_several_series_need_a_choice(convert):
    for name, series in (('a', '1.2.3.4'), ('b', '1.2.3.77')):
        (convert.folder / name).mkdir()
        write_series(convert.folder / name, series=series)

    status, said, case = convert()
    assert status == 2 and case is None
    assert 'there are 2 CT series' in said and '1.2.3.77' in said

    assert convert('--series', '.77')[0] == 0
    assert 'names 0 series' in convert('--series', '.5')[1]


def test_padding_below_air_becomes_air(convert):
    hu = picture()
    hu[0, 0, 0] = -3000
    write_series(convert.folder, hu)

    status, said, case = convert()

    assert status == 0 and case['ct/hu'][0, 0, 0] == -1024
    assert '1 voxels below -1024 HU' in said


def _spoil_missing(folder):
    (folder / 'IM003').unlink()


def _spoil_double(folder):
    write_slice(folder / 'again', 2, picture()[2])


def _spoil_tilt(folder):
    for k, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        write_slice(path, k, picture()[k], position=(X0, Y0 + 0.5 * k, Z0 + DZ * k))


def _spoil_plane(folder):
    c, s = np.cos(0.1), np.sin(0.1)
    for k, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        write_slice(path, k, picture()[k], orientation=(1, 0, 0, 0, round(c, 6), round(s, 6)))


def _spoil_size(folder):
    write_slice(folder / 'IM001', NZ - 1, picture()[NZ - 1][:-1])


def _spoil_all(folder):
    for path in folder.iterdir():
        path.write_text('no DICOM here')


def _spoil_contour(folder):
    write_structures(folder / 'RS', [('oblique', '', [[X0, Y0, Z0, X0 + 5, Y0, Z0 + 3, X0 + 5, Y0 + 5, Z0]])])


def _spoil_twice(folder):
    for name in ('RS1', 'RS2'):
        write_structures(folder / name, [('cord', '', [rectangle(X0, X0 + 5, Y0, Y0 + 5, Z0)])])


@pytest.mark.parametrize('spoil, sentence', [
    (_spoil_missing, 'slices are missing or unevenly spaced: 6 mm between z = 113 and 119 mm where 3 mm is usual'),
    (_spoil_double, 'two images at z = 110 mm'),
    (_spoil_tilt, 'gantry tilt'),
    (_spoil_plane, 'images are not axial (plane tilted by 5.7 degrees'),
    (_spoil_size, 'Rows changes within the series: 8, 9'),
    (_spoil_all, 'holds no CT image in DICOM format'),
    (_spoil_contour, 'structure "oblique" has a contour that is not axial'),
    (_spoil_twice, 'structure "cord" is in "RS1" and in "RS2"'),
])
def test_what_is_no_even_axial_stack_is_refused(convert, spoil, sentence):
    write_series(convert.folder)
    spoil(convert.folder)

    status, said, case = convert()

    assert status == 2 and case is None
    assert sentence in said


def test_a_coarser_case_has_mean_numbers_in_the_same_places(convert):
    write_series(convert.folder)
    z = [Z0 + DZ * k for k in range(NZ)]
    write_structures(convert.folder / 'RS', [('Cord', 'ORGAN', [rectangle(X0, X0 + 5, Y0, Y0 + 5, at) for at in z])])

    status, said, case = convert('--coarsen-mm', str(2 * DZ))

    assert status == 0 and 'coarsened' in said
    hu = case['ct/hu']
    assert hu.attrs['spacing_mm'] == pytest.approx([2 * DZ] * 3)
    # the corner of the first voxel stays where it was
    assert hu.attrs['origin_mm'] == pytest.approx([X0 - DX / 2 + DZ, Y0 - DY / 2 + DZ, Z0 + DZ / 2])
    # the number of the first voxel by counting points of a fine lattice
    fine = 400
    ix, iy = (((np.arange(fine) + 0.5) / fine * 2 * DZ / d).astype(int) for d in (DX, DY))
    expected = picture()[:2][:, iy][:, :, ix].mean()
    assert hu[0, 0, 0] == pytest.approx(expected, abs=1)  # numbers are whole; the lattice adds less than one
    heights = np.unique(case['structures/Cord/points_mm'][:, 2])
    assert heights == pytest.approx(Z0 + DZ / 2 + 2 * DZ * np.arange(NZ // 2))


def test_coarsening_to_nothing_is_refused(convert):
    write_series(convert.folder)

    status, said, case = convert('--coarsen-mm', '1000')

    assert status == 2 and case is None and '--coarsen-mm 1000' in said
