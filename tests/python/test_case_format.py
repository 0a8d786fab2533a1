"""The example of docs/case-format.md writes a case that spineplan accepts, and h5py's own ways of writing are read."""
import json
import math
import os
import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))


@pytest.fixture
def example(tmp_path):
    text = (ROOT / 'docs' / 'case-format.md').read_text()
    code = re.search(r'```python\n(.*?)```', text, re.DOTALL).group(1)
    subprocess.run([sys.executable, '-c', code], cwd=tmp_path, check=True, timeout=120)
    return tmp_path / 'case.h5'


def spineplan(*arguments):
    return subprocess.run([SPINEPLAN, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def checked(path):
    done = spineplan('check', path, '--json')
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_documented_example_is_a_case(example):
    case = checked(example)

    volume = {s['name']: s['volume_cc'] for s in case['structures']}
    polygon = 48 / 2 * math.sin(2 * math.pi / 48)                  # area of 48 points on the unit circle
    assert volume['cord'] == pytest.approx(polygon * 0.25 * 24, rel=1e-5)
    assert volume['PTV'] == pytest.approx(polygon * 3.24 * 4.2, rel=1e-5)      # 14 slices of 3 mm
    assert volume['rod'] == pytest.approx(20 * 3 * 3 * 0.012)
    assert case['ct'] == {'size': [100, 80, 80], 'spacing_mm': [2, 2, 3], 'origin_mm': [-99, -79, -118.5],
                          'patient_position': 'HFS', 'hu_range': [0, 0]}
    assert case['prescription'] == {'dose_gy': 24, 'fractions': 2, 'target': 'PTV', 'protocol': None}
    assert [b['gantry_deg'] for b in case['beams']] == [180, 140, 100, 220, 260]
    assert case['warnings'] == []


def replace(file, name, data, **options):
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, data=data, **options)
    for key, value in attributes.items():
        made.attrs[key] = value


@pytest.mark.parametrize('kind', ['u1', 'u2', 'i4', 'i8', '>i2', '>f4', 'f8', 'f2'])
def test_hu_of_any_type_are_read(example, kind):
    with h5py.File(example, 'a') as f:
        hu = np.zeros(f['ct/hu'].shape)
        hu[3, 4, 5] = 200
        replace(f, 'ct/hu', hu.astype(kind))

    assert checked(example)['ct']['hu_range'] == [0, 200]


@pytest.mark.parametrize('kind', ['bool', 'i2', 'f4', 'u8'])
def test_masks_of_any_type_are_read(example, kind):
    with h5py.File(example, 'a') as f:
        replace(f, 'structures/rod/mask', (f['structures/rod/mask'][()] != 0).astype(kind))

    rod = [s for s in checked(example)['structures'] if s['name'] == 'rod'][0]
    assert rod['volume_cc'] == pytest.approx(20 * 3 * 3 * 0.012)


def test_attributes_as_users_write_them(example):
    with h5py.File(example, 'a') as f:
        f.attrs['version'] = np.array([1], 'i8')                   # an array of one
        f.attrs['format'] = np.bytes_('spineplan-case')            # fixed length
        f['ct/hu'].attrs['spacing_mm'] = [2, 2, 3]                 # integers
        f['prescription'].attrs['dose_gy'] = 24
        f['prescription'].attrs['fractions'] = np.float32(2)
        f['prescription'].attrs['target'] = np.array('PTV', dtype='S12')
        f['structures/PTV'].attrs['colour'] = [220.0, 40.0, 40.0]
        f['structures/PTV/offsets'][...] = f['structures/PTV/offsets'][()]
        replace(f, 'structures/cord/offsets', f['structures/cord/offsets'][()].astype('i4'))
        replace(f, 'structures/cord/points_mm', f['structures/cord/points_mm'][()].astype('f4'))

    case = checked(example)
    assert case['prescription'] == {'dose_gy': 24, 'fractions': 2, 'target': 'PTV', 'protocol': None}


def test_what_is_absent_gets_its_default(example):
    with h5py.File(example, 'a') as f:
        del f.attrs['format'], f['ct/hu'].attrs['patient_position'], f['structures/rod'].attrs['role']
        del f['prescription'].attrs['target'], f['beams']
        del f['structures/rod/mask']

    case = checked(example)
    assert case['ct']['patient_position'] == 'HFS'
    assert [s['role'] for s in case['structures'] if s['name'] == 'rod'] == ['organ']
    assert case['prescription']['target'] == 'PTV'
    assert case['beams'] == []
    assert case['warnings'] == ['/structures/rod is empty']


def test_warnings_name_what_to_look_at(example):
    with h5py.File(example, 'a') as f:
        for name in ('cord', 'PTV'):
            points = f[f'structures/{name}/points_mm'][()]
            keep = (points[:, 2] < -6) | (points[:, 2] > 3) if name == 'cord' else np.ones(len(points), bool)
            replace(f, f'structures/{name}/points_mm', points[keep] + ([0, 22, 0] if name == 'PTV' else 0))
            replace(f, f'structures/{name}/offsets', np.arange(0, keep.sum() + 1, 48).astype('u8'))
        f['structures'].copy('cord', 'Cord')
        f['structures/Cord'].attrs['role'] = 'organ'

    warnings = '\n'.join(checked(example)['warnings'])
    assert '/structures/cord: 3 missing slices are interpolated between 77 drawn ones' in warnings
    assert '/structures/Cord and /structures/cord differ only in capitals' in warnings
    assert '/structures/PTV (ptv) takes in ' in warnings


@pytest.mark.parametrize('place, attribute, value, sentence', [
    ('structures/rod', 'material', 'kryptonite', '/structures/rod material is "kryptonite", which is none of ours'),
    ('prescription', 'protocol', 'nonsense', '/prescription protocol is "nonsense", expected a shipped one or a YAML file'),
])
def test_names_that_planning_would_not_know_are_refused(example, place, attribute, value, sentence):
    with h5py.File(example, 'a') as f:
        f[place].attrs[attribute] = value
    done = spineplan('check', example)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ''


def test_data_that_nobody_can_decompress_is_named(example):
    with h5py.File(example, 'a') as f:
        replace(f, 'ct/hu', f['ct/hu'][()], chunks=(1, 80, 100), compression='lzf')

    done = spineplan('check', example)
    assert done.returncode == 2
    assert '/ct/hu is compressed with filter 32000 (lzf), which is not at hand; write it with gzip' in done.stderr


def test_info_tells_what_a_file_is(example):
    info = json.loads(spineplan('info', example, '--json').stdout)

    assert info['kind'] == 'case' and info['version'] == 1
    assert info['arrays'][0]['path'] == '/ct/hu' and info['arrays'][0]['size'] == [80, 80, 100]
    assert info['structures'] == ['BODY', 'PTV', 'cord', 'rod'] and info['beams'] == ['1', '2', '3', '4', '5']
    assert 'kind        case, version 1' in spineplan('info', example).stdout


def test_info_refuses_what_is_not_ours(tmp_path):
    with h5py.File(tmp_path / 'other.h5', 'w') as f:
        f['x'] = 1

    done = spineplan('info', tmp_path / 'other.h5')
    assert done.returncode == 2 and done.stdout == ''
    assert 'holds none of /ct/hu, /dose/dose_gy and /influence/data' in done.stderr


@pytest.mark.parametrize('command', ['check', 'info'])
def test_wrong_use_is_one_line(command, tmp_path):
    assert spineplan(command, '--help').stdout.count(f'example: spineplan {command}') == 1
    for arguments in ([], ['a', 'b'], ['--frobnicate', 'a'], [tmp_path / 'none.h5'], [tmp_path]):
        done = spineplan(command, *arguments)
        assert done.returncode == 2 and done.stdout == ''
        assert done.stderr.count('\n') == 1 and done.stderr.startswith(f'spineplan {command}: ')


def test_info_tells_the_control_points_of_an_imported_plan(tmp_path):
    plan = tmp_path / 'plan.h5'
    subprocess.run([ROOT / 'scripts' / 'rtplan2h5', ROOT / 'tests/data/interop/vmat_example.dcm', '-o', plan], check=True,
                   capture_output=True, timeout=120)
    done = spineplan('info', plan, '--json')
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    with h5py.File(plan) as f:
        stated = [(b.attrs['technique'], len(b['cumulative_mu']), b.attrs['mu']) for b in f['beams'].values()]
    assert said['kind'] == 'plan'
    assert [(b['technique'], b['control_points'], pytest.approx(b['mu'])) for b in said['control_points']] == stated
    assert said['mu'] == pytest.approx(sum(s[2] for s in stated))
    assert 'control points' in spineplan('info', plan).stdout
