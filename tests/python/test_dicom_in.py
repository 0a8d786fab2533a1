"""DICOM as clinics have it: compressed, unsigned, without preamble, with keyholes, points and odd names; and what is
refused. Files of other programs are in tests/data/interop."""
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

import case_file
import dicom2case
import rtdose2h5
import rtplan2h5
from dicom_files import safe_name
from small_dicom import (DX, DY, DZ, NX, NY, NZ, X0, Y0, Z0, picture, rectangle, write_series, write_slice,
                         write_structures)

INTEROP = pathlib.Path(__file__).resolve().parents[1] / 'data' / 'interop'


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    """Runs dicom2case on tmp_path/in; returns (exit status, what it said, the case or None)."""
    (tmp_path / 'in').mkdir()

    def run(*arguments):
        out = tmp_path / 'case.h5'
        monkeypatch.setattr(sys, 'argv', ['dicom2case', str(tmp_path / 'in'), '-o', str(out), *arguments])
        status = dicom2case.main()
        return status, capsys.readouterr().err, h5py.File(out) if out.exists() else None

    run.folder = tmp_path / 'in'
    return run


def each_slice(folder, change):
    for path in sorted(folder.iterdir()):
        d = pydicom.dcmread(path)
        change(d)
        d.save_as(path)


@pytest.mark.parametrize('syntax', [JPEG2000Lossless, RLELossless], ids=['JPEG 2000', 'RLE'])
def test_compressed_series_keep_every_value(convert, syntax):
    large = np.repeat(np.repeat(picture(), 8, axis=1), 8, axis=2)  # JPEG 2000 halves a picture five times
    write_series(convert.folder, large)
    each_slice(convert.folder, lambda d: d.compress(syntax, generate_instance_uid=False))

    status, said, case = convert()

    assert status == 0, said
    assert np.array_equal(case['ct/hu'][...], large)


@pytest.mark.parametrize('program', ['dcmcjpeg', 'dcmcjpls'])
def test_what_dcmtk_compresses_keeps_every_value(convert, program):
    if not shutil.which(program):
        pytest.skip(f'{program} is not installed')
    write_series(convert.folder)
    for path in sorted(convert.folder.iterdir()):
        subprocess.run([program, str(path), str(path) + '.c'], check=True)
        path.unlink()

    status, said, case = convert()

    assert status == 0, said
    assert np.array_equal(case['ct/hu'][...], picture())


def test_unsigned_values_with_an_intercept_of_their_own_a_slice(convert):
    write_series(convert.folder)

    def unsign(d):
        d.PixelRepresentation, d.RescaleIntercept, d.RescaleSlope = 0, -1000 - int(d.ImagePositionPatient[2]) % 7, 1
        z = int(round((float(d.ImagePositionPatient[2]) - Z0) / DZ))
        d.PixelData = (picture()[z] - int(d.RescaleIntercept)).astype('<u2').tobytes()
    each_slice(convert.folder, unsign)

    status, said, case = convert()

    assert status == 0, said
    assert np.array_equal(case['ct/hu'][...], picture())


def test_files_without_preamble_are_read_and_others_are_said_to_be_ignored(convert):
    write_series(convert.folder)
    for path in convert.folder.iterdir():
        path.write_bytes(path.read_bytes()[132:])  # what some exports leave out: preamble and 'DICM'
    (convert.folder / 'README.txt').write_text('about')
    shutil.copy(INTEROP / 'vmat_example.dcm', convert.folder)
    shutil.copy(INTEROP / 'rtdose.dcm', convert.folder)

    status, said, case = convert()

    assert status == 0, said
    assert np.array_equal(case['ct/hu'][...], picture())
    assert '7 CT images in 1 series, 1 RTPLAN, 1 RTDOSE' in said
    assert 'ignored 1 files that are no DICOM' in said
    assert 'scripts/rtplan2h5 makes a plan file' in said and 'scripts/rtdose2h5 makes a dose file' in said


def _no_position(folder):
    each_slice(folder, lambda d: delattr(d, 'ImagePositionPatient'))


def _mixed_frames(folder):
    write_slice(folder / 'IM003', NZ - 3, picture()[NZ - 3], FrameOfReferenceUID='1.2.99')


def _cut_pixels(folder):
    each_slice(folder, lambda d: setattr(d, 'PixelData', d.PixelData[:20]))


def _no_orientation(folder):
    each_slice(folder, lambda d: delattr(d, 'ImageOrientationPatient'))


def _multi_frame(folder):
    each_slice(folder, lambda d: setattr(d, 'NumberOfFrames', 2))


@pytest.mark.parametrize('spoil, sentence', [
    (_no_position, 'has no ImagePositionPatient: it does not say where it lies'),
    (_mixed_frames, 'mixes 2 frames of reference (1.2.9, 1.2.99)'),
    (_cut_pixels, 'cannot read the pixels'),
    (_no_orientation, 'has no ImageOrientationPatient'),
    (_multi_frame, 'is a multi-frame image'),
])
def test_what_cannot_be_trusted_is_refused_in_one_sentence(convert, spoil, sentence):
    write_series(convert.folder)
    spoil(convert.folder)

    status, said, case = convert()

    assert status == 2 and case is None
    assert sentence in said.splitlines()[-1]


def area_by_even_odd(polygons, n=400):
    from polygon_fill import coverage
    step = 20 / n
    return coverage(polygons, X0 + step / 2, step, n, Y0 + step / 2, step, n).sum() * step ** 2


def test_keyholes_and_holes_mean_the_same(convert):
    write_series(convert.folder)
    z = Z0 + 2 * DZ
    outer, inner = ((1, 1), (11, 1), (11, 9), (1, 9)), ((4, 3), (4, 7), (8, 7), (8, 3))
    keyhole = [*outer, (1, 1), *inner, (4, 3)]

    def line(points):
        return [v for x, y in points for v in (X0 + x, Y0 + y, z)]
    write_structures(convert.folder / 'RS', [('keyhole', 'ORGAN', [line(keyhole)]),
                                             ('holes', 'ORGAN', [line(outer), line(inner)])])

    status, said, case = convert()

    assert status == 0, said
    for name in ('keyhole', 'holes'):
        group = case['structures'][name]
        parts = np.split(group['points_mm'][...], group['offsets'][1:-1].astype(int))
        assert area_by_even_odd(parts) == pytest.approx(80 - 16, abs=0.1)  # hundredths of a millimetre squared of raster


def test_contours_of_one_or_two_points_are_left_out_and_said(convert):
    write_series(convert.folder)
    write_structures(convert.folder / 'RS', [('node', 'ORGAN', [
        [X0, Y0, Z0], [X0, Y0, Z0 + DZ, X0 + 1, Y0, Z0 + DZ], rectangle(X0, X0 + 4, Y0, Y0 + 4, Z0)])])

    status, said, case = convert()

    assert status == 0 and list(case['structures/node/offsets']) == [0, 4]
    assert '2 points or open lines are left out' in said


def test_names_with_paths_stay_names_in_the_case(convert, tmp_path):
    write_series(convert.folder)
    box = [rectangle(X0, X0 + 5, Y0, Y0 + 5, Z0)]
    write_structures(convert.folder / 'RS', [('../../etc/x', '', box), ('..', '', box), ('.', '', box),
                                             ('a\x1b[31mb', '', box)])
    before = sorted(p.name for p in tmp_path.parent.iterdir())

    status, said, case = convert()

    assert status == 0, said
    assert sorted(case['structures']) == sorted(['.._.._etc_x', 'ROI 2', 'ROI 3', 'a_[31mb'])
    assert '\x1b' not in said
    assert sorted(p.name for p in tmp_path.parent.iterdir()) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ['case.h5', 'in']
    assert len(safe_name('é' * 300, 'x').encode()) <= 200


@pytest.mark.parametrize('name, role', [
    ('External', 'external'), ('BODY', 'external'), ('Body1', 'external'), ('GTV', 'gtv'), ('GTVp1', 'gtv'), ('ITV_24', 'ctv'),
    ('CTV_2400', 'ctv'), ('PTV_High', 'ptv'), ('PTV24', 'ptv'), ('zPTV', 'ptv'), ('Target', 'ptv'),
    ('SpinalCord', 'cord'), ('SpinalCord_PRV02', 'prv'), ('Cord+2mm', 'prv'), ('PRV_SpinalCord', 'prv'), ('Cord', 'cord'),
    ('spinal_cord', 'cord'), ('Myelon', 'cord'), ('Rückenmark', 'cord'), ('SpinalCanal', 'organ'), ('CaudaEquina', 'organ'),
    ('ThecalSac', 'organ'), ('Kidney_L', 'organ'), ('Esophagus', 'organ'), ('CouchSurface', 'support'), ('Screws', 'hardware'),
    ('Recorder', 'organ'), ('notPTV', 'organ')])
def test_roles_come_from_names(name, role):
    assert case_file.role_from_name(name) == role


def test_helpers_with_the_name_of_a_target_are_no_targets(convert):
    write_series(convert.folder)
    box = [rectangle(X0, X0 + 5, Y0, Y0 + 5, Z0)]
    write_structures(convert.folder / 'RS', [('PTV_ring', 'CONTROL', box), ('PTV', 'PTV', box)])

    case = convert()[2]

    assert {n: s.attrs['role'] for n, s in case['structures'].items()} == {'PTV_ring': 'organ', 'PTV': 'ptv'}


def run(module, monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, 'argv', [module.__name__, *map(str, arguments)])
    return module.main(), capsys.readouterr().err


def test_vmat_of_another_program_keeps_every_control_point(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'plan.h5'
    status, said = run(rtplan2h5, monkeypatch, capsys, INTEROP / 'vmat_example.dcm', '-o', out)

    assert status == 0, said
    d = pydicom.dcmread(INTEROP / 'vmat_example.dcm', force=True)
    metersets = {int(r.ReferencedBeamNumber): float(r.BeamMeterset) for r in d.FractionGroupSequence[0].ReferencedBeamSequence}
    with h5py.File(out) as f:
        assert f.attrs['format'] == 'spineplan-plan' and f.attrs['technique'] == 'imported'
        assert len(f['beams']) == len(d.BeamSequence) == 2
        for i, beam in enumerate(d.BeamSequence):
            b, n = f[f'beams/{i}'], len(beam.ControlPointSequence)
            assert b.attrs['technique'] == 'vmat' and b.attrs['machine'] == 'generic-6mv'
            assert b.attrs['mu'] == pytest.approx(metersets[int(beam.BeamNumber)])
            assert b['leaves_mm'].shape == (n, 2, 80) and b['jaws_mm'].shape == (n, 4)
            assert b['leaf_boundaries_mm'].shape == (81,)
            assert b['cumulative_mu'][0] == 0 and b['cumulative_mu'][-1] == pytest.approx(b.attrs['mu'])
            assert (np.diff(b['cumulative_mu']) >= 0).all()
            for k, point in enumerate(beam.ControlPointSequence):
                if 'GantryAngle' in point:
                    assert b['gantry_deg'][k] == pytest.approx(float(point.GantryAngle))
                for device in point.get('BeamLimitingDevicePositionSequence', []):
                    if device.RTBeamLimitingDeviceType.startswith('MLC'):
                        stated = [float(v) for v in device.LeafJawPositions]
                        assert b['leaves_mm'][k].ravel() == pytest.approx(stated)


def test_static_fields_and_unflattened_ones(tmp_path, monkeypatch, capsys):
    for name, machine in (('24mm_x_20mm_rectangle', 'generic-6mv'), ('FFF_example', 'generic-6fff')):
        status, said = run(rtplan2h5, monkeypatch, capsys, INTEROP / f'{name}.dcm', '-o', tmp_path / 'p.h5')
        assert status == 0, said
        with h5py.File(tmp_path / 'p.h5') as f:
            assert f['beams/0'].attrs['technique'] == 'static' and f['beams/0'].attrs['machine'] == machine
            assert f['beams/0/jaws_mm'].shape == (2, 4)


def test_a_plan_without_its_end_and_one_of_another_kind_are_refused(tmp_path, monkeypatch, capsys):
    for name, sentence in (('rtplan_truncated', 'has 1 control points, expected at least 2'),
                           ('rtdose', 'is no RTPLAN (its modality is RTDOSE)'), ('none', 'is no file')):
        status, said = run(rtplan2h5, monkeypatch, capsys, INTEROP / f'{name}.dcm', '-o', tmp_path / 'p.h5')
        assert status == 2 and sentence in said
    assert list(tmp_path.iterdir()) == []


def _wedge(d):
    d.BeamSequence[0].NumberOfWedges = 1


def _electrons(d):
    d.BeamSequence[0].RadiationType = 'ELECTRON'


def _falling(d):
    d.BeamSequence[0].ControlPointSequence[0].CumulativeMetersetWeight = 2


def _moving(d):
    d.BeamSequence[0].ControlPointSequence[1].IsocenterPosition = [0, 0, 0]


def _bolus(d):
    d.BeamSequence[0].NumberOfBoli = 1


def _tilted(d):
    d.BeamSequence[0].ControlPointSequence[0].TableTopPitchAngle = 1.5


def _two_energies(d):
    d.BeamSequence[0].ControlPointSequence[1].NominalBeamEnergy = 10


def _fifteen(d):
    d.BeamSequence[0].ControlPointSequence[0].NominalBeamEnergy = 15


def _no_energy(d):
    del d.BeamSequence[0].ControlPointSequence[0].NominalBeamEnergy


def _other_fluence(d):
    mode = pydicom.Dataset()
    mode.FluenceMode, mode.FluenceModeID = 'NON_STANDARD', 'SRS'
    d.BeamSequence[0].PrimaryFluenceModeSequence = [mode]


def _unknown_device(d):
    d.BeamSequence[0].BeamLimitingDeviceSequence[0].RTBeamLimitingDeviceType = 'CONE'


@pytest.mark.parametrize('spoil, sentence', [
    (_bolus, 'beam 1 has boluses'), (_tilted, 'tilts its couch by 1.5 degrees'), (_two_energies, 'changes its energy'),
    (_fifteen, 'beam 1 is of 15 MV; the machines here are generic-6mv (6 MV), generic-6fff (6 MV FFF), '),
    (_no_energy, 'beam 1 is of unknown energy'),
    (_other_fluence, 'beam 1 is of 6 MV (SRS)'), (_unknown_device, 'device of type CONE'), (_wedge, 'beam 1 has wedges'), (_electrons, 'is of ELECTRON'), (_falling, 'weights fall'),
    (_moving, 'moves its isocentre')])
def test_plans_that_cannot_be_told_are_refused(tmp_path, monkeypatch, capsys, spoil, sentence):
    d = pydicom.dcmread(INTEROP / 'rtplan.dcm')
    spoil(d)
    d.save_as(tmp_path / 'p.dcm')
    status, said = run(rtplan2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', tmp_path / 'p.h5')
    assert status == 2 and sentence in said and not (tmp_path / 'p.h5').exists()


def test_beams_of_several_machines_are_taken_one_machine_at_a_time(tmp_path, monkeypatch, capsys):
    d = pydicom.dcmread(INTEROP / 'vmat_example.dcm', force=True)
    d.BeamSequence[1].ControlPointSequence[0].NominalBeamEnergy = 10
    d.save_as(tmp_path / 'p.dcm')
    out = tmp_path / 'p.h5'

    status, said = run(rtplan2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', out)
    assert status == 2 and 'beam 1: generic-6mv; beam 2: generic-10mv; take those of one with --beams' in said
    status, said = run(rtplan2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', out, '--beams', '2')
    assert status == 0 and 'left out beam 1: not asked for' in said
    with h5py.File(out) as f:
        assert len(f['beams']) == 1 and f.attrs['machine'] == 'generic-10mv'
    status, said = run(rtplan2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', tmp_path / 'q.h5', '--machine', 'linac')
    assert status == 2 and '--machine linac is neither a file nor one of generic-6mv' in said
    status, said = run(rtplan2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', tmp_path / 'none' / 'q.h5', '--beams', '1')
    assert status == 2 and said.strip().endswith('none is no folder')
    for wish, sentence in (('3', 'has no treatment beam 3'), ('a', 'expected numbers with commas between them')):
        status, said = run(rtplan2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', tmp_path / 'q.h5', '--beams', wish)
        assert status == 2 and sentence in said and not (tmp_path / 'q.h5').exists()


@pytest.mark.parametrize('name', ['rtdose', 'rtdose_rle', 'rtdose_expb'])
def test_doses_of_other_programs_are_read_in_any_packing(tmp_path, monkeypatch, capsys, name):
    status, said = run(rtdose2h5, monkeypatch, capsys, INTEROP / f'{name}.dcm', '-o', tmp_path / 'd.h5')

    assert status == 0, said
    with h5py.File(tmp_path / 'd.h5') as f:
        dose = f['dose/dose_relative']
        assert dose.shape == (15, 10, 10) and dose.attrs['spacing_mm'] == pytest.approx([10, 10, 5])
        assert dose.attrs['origin_mm'] == pytest.approx([189.43125, 199.43125, -761.87])
        stored = pydicom.dcmread(INTEROP / 'rtdose.dcm').pixel_array
        assert dose[...] == pytest.approx(stored * 1e-6, rel=1e-6)


def test_doses_are_added_only_where_they_fit(tmp_path, monkeypatch, capsys):
    d = pydicom.dcmread(INTEROP / 'rtdose.dcm')
    d.ImagePositionPatient[0] = float(d.ImagePositionPatient[0]) + 1
    d.save_as(tmp_path / 'moved.dcm')
    status, said = run(rtdose2h5, monkeypatch, capsys, INTEROP / 'rtdose.dcm', tmp_path / 'moved.dcm', '-o', tmp_path / 'd.h5')
    assert status == 2 and 'cannot be added' in said
    status, _ = run(rtdose2h5, monkeypatch, capsys, INTEROP / 'rtdose.dcm', INTEROP / 'rtdose.dcm', '-o', tmp_path / 'd.h5')
    with h5py.File(tmp_path / 'd.h5') as f:
        assert f['dose/dose_relative'][...].max() == pytest.approx(2.508, rel=1e-6)


def test_a_prone_dose_with_descending_frames_lies_where_it_should(tmp_path, monkeypatch, capsys):
    d = pydicom.dcmread(INTEROP / 'rtdose.dcm')
    stored = d.pixel_array
    d.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    d.GridFrameOffsetVector = [-float(v) for v in d.GridFrameOffsetVector]
    d.DoseUnits = 'GY'
    d.save_as(tmp_path / 'p.dcm')
    status, said = run(rtdose2h5, monkeypatch, capsys, tmp_path / 'p.dcm', '-o', tmp_path / 'd.h5')
    assert status == 0, said
    with h5py.File(tmp_path / 'd.h5') as f:
        dose = f['dose/dose_gy']
        assert dose.attrs['origin_mm'] == pytest.approx([189.43125 - 90, 199.43125 - 90, -761.87 - 70])
        assert dose[...] == pytest.approx(stored[::-1, ::-1, ::-1] * 1e-6, rel=1e-6)


@pytest.mark.parametrize('seed', range(6))
def test_damaged_files_give_a_sentence_and_no_traceback(tmp_path, monkeypatch, capsys, seed):
    rng = np.random.default_rng(seed)
    for module, name in ((rtplan2h5, 'vmat_example'), (rtplan2h5, 'rtplan'), (rtdose2h5, 'rtdose'), (rtdose2h5, 'rtdose_rle')):
        for _ in range(8):
            data = bytearray((INTEROP / f'{name}.dcm').read_bytes())
            for at in rng.integers(len(data), size=10):
                data[at] = rng.integers(256)
            if rng.random() < 0.3:
                del data[rng.integers(len(data)):]
            (tmp_path / 'f.dcm').write_bytes(data)
            status, said = run(module, monkeypatch, capsys, tmp_path / 'f.dcm', '-o', tmp_path / 'o.h5')
            assert status in (0, 2) and 'Traceback' not in said
            assert sorted(p.name for p in tmp_path.iterdir()) in (['f.dcm'], ['f.dcm', 'o.h5'])
