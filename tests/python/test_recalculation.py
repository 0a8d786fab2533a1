"""Plans of other programs, recalculated: RTPLAN to plan to dose in Gy, with their own leaves, fractions and angles."""
import copy
import os
import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np
import pydicom
import pytest
from scipy.ndimage import map_coordinates

import rtplan2h5
from shipped_machines import shipped_machines

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTEROP = ROOT / 'tests' / 'data' / 'interop'
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))


@pytest.fixture(scope='module')
def tank(tmp_path_factory):
    """Water from 100 mm in front of 06MV_plan's isocentre to 90 mm behind; (0, 0, 0) is 10 mm beyond."""
    path = tmp_path_factory.mktemp('tank') / 'tank.h5'
    with h5py.File(path, 'w') as f:
        f.attrs['format'], f.attrs['version'] = 'spineplan-case', 1
        hu = f.create_dataset('ct/hu', data=np.zeros((13, 20, 15), np.int16))
        hu.attrs['spacing_mm'], hu.attrs['origin_mm'] = [15.0, 10.0, 15.0], [-105.0, -295.0, -90.0]
        hu.attrs['patient_position'] = 'HFS'
    return path


@pytest.fixture
def plan(tmp_path, capsys):
    """Imports an RTPLAN; returns the plan file and what was said."""
    def run(source, *arguments, status=0):
        out = tmp_path / f'{len(list(tmp_path.iterdir()))}.plan.h5'
        before, sys.argv = sys.argv, ['rtplan2h5', str(source), '-o', str(out), *map(str, arguments)]
        try:
            assert rtplan2h5.main() == status
        finally:
            sys.argv = before
        return out, capsys.readouterr().err
    return run


def compute(case, plan_path, *arguments, status=0):
    """The dose, a function that reads it at a place, its relative uncertainty there, and what was said."""
    out = plan_path.with_suffix('.dose.h5')
    done = subprocess.run([SPINEPLAN, 'dose', str(case), str(plan_path), '-o', str(out), *map(str, arguments)],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stderr
    if status:
        assert not out.exists()
        return None, None, done.stderr
    with h5py.File(out) as f:
        d = f['dose/dose_gy']
        dose, spacing, origin = d[...], d.attrs['spacing_mm'], d.attrs['origin_mm']

    def at(x, y, z):
        place = (np.array([z, y, x]) - origin[::-1]) / spacing[::-1]
        return float(map_coordinates(dose, place[:, None], order=1)[0])
    return dose, at, done.stderr


def changed(source, path, change):
    d = pydicom.dcmread(INTEROP / f'{source}.dcm', force=True)
    change(d)
    d.save_as(path)
    return path


def test_fields_of_another_program_get_the_dose_that_it_states(tank, plan):
    """It states the dose at the isocentre, 100 mm deep, for 1000 MU of fields of another make of machine, whose
    calibration it does not state: 3 % more than ours. The ratios of fields to each other (output factors) are alike to 1 %."""
    d = pydicom.dcmread(INTEROP / '06MV_plan.dcm', force=True)
    stated = {int(r.ReferencedBeamNumber): float(r.BeamDose) for r in d.FractionGroupSequence[0].ReferencedBeamSequence}
    ratio = {}
    for number in (2, 4, 6):
        file, said = plan(INTEROP / '06MV_plan.dcm', '--beams', number, '--case', tank)
        assert said.count('not asked for') == 9
        ratio[number] = compute(tank, file, '--engine', 'pencil', '--grid-mm', 5)[1](0, -200, 0) / stated[number]
        assert ratio[number] == pytest.approx(1, abs=0.05)
    assert ratio[2] / ratio[6] == pytest.approx(1, abs=0.01)
    assert ratio[4] / ratio[6] == pytest.approx(1, abs=0.01)
    at = compute(tank, file, '--engine', 'mc', '--grid-mm', 10, '--uncertainty', '2%')[1]
    # three standard deviations of 2 % beside the pencil beam
    assert at(0, -200, 0) / stated[6] == pytest.approx(ratio[6], abs=0.06)


@pytest.mark.parametrize('name, beam, technique, leaves', [
    ('rtplan', 1, 'static', None), ('FFF_example', 1, 'static', 'agility-160'), ('vmat_example', 2, 'vmat', 'agility-160')])
def test_each_kind_of_plan_gets_its_dose_from_both_engines(tank, plan, name, beam, technique, leaves):
    file, said = plan(INTEROP / f'{name}.dcm', '--case', tank, '--isocentre', '0,-200,0', '--beams', beam)
    assert 'isocentre moved by' in said and 'stands for the machine of the plan' in said and technique in said
    at = [compute(tank, file, *words, '--grid-mm', 7) for words in (
        ('--engine', 'pencil'), ('--engine', 'mc', '--uncertainty', '4%'))]
    doses = [a[1](0, -200, 0) for a in at]
    assert doses[1] == pytest.approx(doses[0], rel=0.15)  # small fields on voxels of 7 mm, three standard deviations
    for said in (a[2] for a in at):
        assert ('leaves' in said) == bool(leaves) and (not leaves or f"'{leaves}', whose edges the plan's have" in said)


def test_monitor_units_are_given_in_every_fraction_of_the_plan(tank, plan, tmp_path):
    file, said = plan(INTEROP / 'vmat_example.dcm', '--isocentre', '0,-200,0')
    assert '2 fractions' in said
    once = plan(changed('vmat_example', tmp_path / 'once.dcm', lambda d: setattr(
        d.FractionGroupSequence[0], 'NumberOfFractionsPlanned', 1)), '--isocentre', '0,-200,0')[0]
    words = '--engine', 'mc', '--histories', '20000', '--grid-mm', '8'  # the same random numbers in each run
    twice, single = (compute(tank, f, *words)[0] for f in (file, once))
    assert single.max() > 0 and twice == pytest.approx(2 * single, rel=1e-5)
    with h5py.File(tank.with_name('other.h5'), 'w') as f, h5py.File(tank) as g:
        g.copy('ct', f)
        f.attrs.update(g.attrs)
        f['structures/PTV/mask'] = np.ones(g['ct/hu'].shape, np.uint8)
        f['structures/PTV'].attrs['role'] = 'ptv'
        f.create_group('prescription').attrs.update({'dose_gy': 10.0, 'fractions': 5})
    dose, _, said = compute(tank.with_name('other.h5'), file, *words)
    assert 'the plan is for 2 fractions, the case\'s prescription for 5: the dose is that of 2' in said
    assert dose == pytest.approx(twice, rel=1e-6)


def leaf_bank(d, edges):
    """Other leaves with the same opening: each takes the place of the leaf that its middle lies on."""
    beam = d.BeamSequence[0]
    device = next(v for v in beam.BeamLimitingDeviceSequence if v.RTBeamLimitingDeviceType == 'MLCX')
    old = np.array([float(v) for v in device.LeafPositionBoundaries])
    middle = (np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2
    which = np.clip(np.searchsorted(old, middle) - 1, 0, len(old) - 2)
    device.NumberOfLeafJawPairs, device.LeafPositionBoundaries = len(middle), list(map(float, edges))
    for p in beam.ControlPointSequence:
        for v in p.get('BeamLimitingDevicePositionSequence') or []:
            if v.RTBeamLimitingDeviceType == 'MLCX':
                at = np.array([float(x) for x in v.LeafJawPositions]).reshape(2, -1)[:, which]
                v.LeafJawPositions = [float(x) for x in at.ravel()]


HD = [*range(-110, -40, 5), *np.arange(-40, 40, 2.5), *range(40, 111, 5)]
MILLENNIUM = [*range(-200, -100, 10), *range(-100, 100, 5), *range(100, 201, 10)]


@pytest.mark.parametrize('edges, said_of_leaves', [
    (MILLENNIUM, None), (HD, "leaves: 'hd120', whose edges"),
    (list(range(-200, 201, 10)), "no leaf file has the plan's 40 pairs of leaves (10 mm wide by the axis, from -200 to 200 mm): "
     "they are taken to have the height, ends, transmission and gap of 'millennium-120'"),
    (list(np.arange(-60, 61, 3)), "(3 mm wide by the axis, from -60 to 60 mm): they are taken to have the height, ends, "
     "transmission and gap of 'hd120'")])
def test_leaf_banks_of_any_make_are_taken_as_the_plan_says(tank, plan, tmp_path, edges, said_of_leaves):
    source = changed('06MV_plan', tmp_path / 'p.dcm', lambda d: leaf_bank(d, edges))
    file = plan(source, '--beams', 1, '--case', tank)[0]
    reference = plan(INTEROP / '06MV_plan.dcm', '--beams', 1, '--case', tank)[0]
    _, at, said = compute(tank, file, '--grid-mm', 5)
    _, original, _ = compute(tank, reference, '--grid-mm', 5)
    assert said_of_leaves in said if said_of_leaves else 'leaves' not in said
    # 20 mm square in all of them but the 3 mm leaves (18 mm); ends, gaps and distances differ
    assert at(0, -200, 0) == pytest.approx(original(0, -200, 0), rel=0.06)
    assert at(30, -200, 0) < 0.1 * at(0, -200, 0) and at(0, -200, 30) < 0.1 * at(0, -200, 0)


def step_and_shoot(d):
    """Two steps of 250 MU: the opening 20 mm to one side, then to the other."""
    d.BeamSequence = d.BeamSequence[:1]
    group = d.FractionGroupSequence[0]
    group.ReferencedBeamSequence, group.NumberOfBeams = group.ReferencedBeamSequence[:1], 1
    group.ReferencedBeamSequence[0].BeamMeterset = 500
    beam = d.BeamSequence[0]
    first = pydicom.dcmread(INTEROP / '06MV_plan.dcm', force=True).BeamSequence[0].ControlPointSequence[0]
    points = []
    for k, (weight, shift) in enumerate([(0, 20), (0.5, 20), (0.5, -20), (1, -20)]):
        p = pydicom.Dataset()
        if k == 0:
            p.update(copy.deepcopy(first))
        p.ControlPointIndex, p.CumulativeMetersetWeight = k, weight
        leaves = pydicom.Dataset()
        at = next(v for v in first.BeamLimitingDevicePositionSequence if v.RTBeamLimitingDeviceType == 'MLCX').LeafJawPositions
        leaves.RTBeamLimitingDeviceType, leaves.LeafJawPositions = 'MLCX', [float(v) + shift for v in at]
        jaws = [v for v in first.BeamLimitingDevicePositionSequence if v.RTBeamLimitingDeviceType == 'ASYMY'] if k == 0 else []
        p.BeamLimitingDevicePositionSequence = [*jaws, leaves]
        points.append(p)
    beam.ControlPointSequence, beam.NumberOfControlPoints, beam.FinalCumulativeMetersetWeight = points, 4, 1


def test_step_and_shoot_is_the_sum_of_its_steps_and_moves_between_them_in_the_dark(tank, plan, tmp_path):
    source = changed('06MV_plan', tmp_path / 'steps.dcm', step_and_shoot)
    file, said = plan(source, '--case', tank)
    assert 'imrt' in said and '4 control points, 500.0 MU' in said
    dose, at, _ = compute(tank, file, '--grid-mm', 5)
    single = compute(tank, plan(INTEROP / '06MV_plan.dcm', '--beams', 1, '--case', tank)[0], '--grid-mm', 5)[1]
    left, right, between = (at(x, -200, 0) for x in (-20, 20, 0))
    assert left == pytest.approx(right, rel=0.01)
    assert left == pytest.approx(0.25 * single(0, -200, 0), rel=0.05)  # 250 of 1000 MU, and a little from the other step
    assert between < 0.6 * left  # 20 mm openings that meet: half of each edge, nothing on the way
    assert dose.max() > left


@pytest.mark.parametrize('tags, lit', [
    ({}, (40, 0)), ({'BeamLimitingDeviceAngle': 90}, (0, 40)), ({'BeamLimitingDeviceAngle': 180}, (-40, 0)),
    ({'PatientSupportAngle': 90}, (0, -40)), ({'GantryAngle': 0.0, 'BeamLimitingDeviceAngle': 270}, (0, -40))])
def test_angles_of_the_rtplan_turn_its_apertures_as_iec_61217_says(tank, plan, tmp_path, tags, lit):
    """The opening of beam 1 pushed 40 mm along the collimator's x; from the front, that is the patient's left."""
    def aside(d):
        p = d.BeamSequence[0].ControlPointSequence[0]
        for key, value in tags.items():
            setattr(p, key, value)
        for v in p.BeamLimitingDevicePositionSequence:
            if v.RTBeamLimitingDeviceType == 'MLCX':
                v.LeafJawPositions = [float(x) + 40 for x in v.LeafJawPositions]
    file = plan(changed('06MV_plan', tmp_path / 'p.dcm', aside), '--beams', 1, '--case', tank)[0]
    at = compute(tank, file, '--grid-mm', 6)[1]
    places = {place: at(place[0], -200, place[1]) for place in ((40, 0), (-40, 0), (0, 40), (0, -40))}
    assert all(v < 0.15 * places[lit] for place, v in places.items() if place != lit), places


def test_a_plan_that_does_not_lie_in_the_ct_is_refused(tank, plan, tmp_path):
    _, said = plan(INTEROP / 'rtplan.dcm', '--case', tank, status=2)
    assert 'the isocentre of beam 1 (235.7 244.1 -725.0 mm) lies' in said and '--isocentre X,Y,Z moves it' in said
    file, _ = plan(INTEROP / 'rtplan.dcm')
    for engine in ('pencil', 'mc'):
        said = compute(tank, file, '--engine', engine, status=2)[2]
        assert 'the plan is for another patient' in said and len(said.strip().splitlines()) == 1
    turned = changed('vmat_example', tmp_path / 'ffs.dcm', lambda d: setattr(d.PatientSetupSequence[0], 'PatientPosition', 'FFS'))
    assert 'position FFS, the CT of' in plan(turned, '--case', tank, status=2)[1]
    assert 'angles are taken as they would be for the CT' in plan(turned, '--case', tank, '--isocentre', '0,-200,0')[1]


def test_a_plan_of_other_leaves_is_checked_with_these(plan):
    file, _ = plan(INTEROP / 'vmat_example.dcm')
    for words, leaves in (((), 'agility-160'), (('--machine', 'generic-6mv'), 'millennium-120')):
        done = subprocess.run([SPINEPLAN, 'check', str(file), *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and f'machine       generic-6mv, leaves {leaves}' in done.stdout  # MU in steps of 0.1
        assert ('80 pairs of leaves, the machine 60' in done.stdout) == bool(words)


def test_a_clinics_arc_gets_the_dose_of_its_planning_system(tank, plan, tmp_path):
    """An arc of RayStation for a 10 MV Elekta machine on its own CT, against the RTDOSE that came with it. Only the machine's
    calibration is its own: 100 MU give 1 Gy in 100 mm of water, isocentre there, 10 cm x 10 cm (as PyDoseRT has it)."""
    file, _ = plan(INTEROP / '06MV_plan.dcm', '--beams', 6, '--case', tank, '--machine', 'generic-10mv')
    per_1000_mu = compute(tank, file, '--engine', 'pencil', '--grid-mm', 5)[1](0, -200, 0)
    shipped = (ROOT / 'engine' / 'beam' / 'machines' / 'generic-10mv.yaml').read_text()
    machine, n = re.subn(r'(?m)^(fluence_per_mu_cm2: )(\S+)', lambda m: f'{m[1]}{float(m[2]) * 10.0 / per_1000_mu:.6g}', shipped)
    assert n == 1
    (tmp_path / 'clinic.yaml').write_text(machine)
    case = ROOT / 'tests' / 'data' / 'alderson.h5'
    file, said = plan(INTEROP / 'vmat_alderson.dcm', '--case', case, '--machine', tmp_path / 'clinic.yaml')
    assert 'vmat    1: 76 control points, 390.0 MU, 10 MV' in said and said.count('(setup)') == 3
    compute(case, file, '--engine', 'mc', '--grid-mm', 4, '--uncertainty', '4%', '--seed', 3)
    with h5py.File(ROOT / 'tests' / 'data' / 'alderson-dose.h5') as a, h5py.File(file.with_suffix('.dose.h5')) as b:
        theirs, ours = a['dose/dose_gy'], b['dose/dose_gy']
        hot = np.argwhere(theirs[...] > 0.8 * theirs[...].max())
        mm = hot[:, ::-1] * theirs.attrs['spacing_mm'] + theirs.attrs['origin_mm']
        places = ((mm - ours.attrs['origin_mm']) / ours.attrs['spacing_mm'])[:, ::-1].T
        ratio = map_coordinates(ours[...], places, order=1).mean() / theirs[...][tuple(hot.T)].mean()
    print(f"dose over the planning system's: {ratio:.3f}")  # no data of that machine but its calibration went in
    # found: 0.962 on this coarse copy of the CT; another processor rounds otherwise. The output factors of generic-10mv are
    # those of another make (0.92 in a field of 4 cm)
    assert ratio == pytest.approx(1, abs=0.045)
    done = subprocess.run([SPINEPLAN, 'compare', str(ROOT / 'tests' / 'data' / 'alderson-dose.h5'), str(file.with_suffix('.dose.h5')),
                           '--gamma', '3%/3mm', '--require-pass', '97'], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_scripts_know_the_machines_of_the_program():
    done = subprocess.run([SPINEPLAN, 'bench', 'beams', '--machine', 'nope'], capture_output=True, text=True, check=False)
    names = done.stderr.partition('there are ')[2].partition(', or give')[0]
    assert sorted(names.split(', ')) == sorted(shipped_machines())
