"""spineplan targets: from a real case to targets that the report draws; mistakes are told in one sentence."""
import json
import os
import pathlib
import shutil
import subprocess

import h5py
import pytest

from fake_plan import write_fake_plan
from report.page import make_page
from report.plan_reader import read_plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
LUMBAR = ROOT / 'tests' / 'data' / 'lumbar.h5'


def run(*words):
    return subprocess.run([SPINEPLAN, 'targets', *map(str, words)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """L2, its body called the tumour; the right lamina by hand."""
    path = tmp_path_factory.mktemp('targets') / 'case.h5'
    done = run(LUMBAR, '-o', path, '--gtv', 'VB_L2', '--exclude', 'L02:right-lamina', '--json')
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


def test_a_real_vertebra_has_its_sectors(made):
    path, record = made
    parts = {p['part']: p for p in record['vertebrae'][0]['parts']}
    assert record['vertebrae'][0]['structure'] == 'vertebrae_L2'
    assert record['vertebrae'][0]['tumour_in_body'] == 'throughout'
    assert parts['body']['tumour_percent'] > 90 and parts['spinous process']['tumour_cc'] == 0
    for side in ('left', 'right'):  # both sides of a healthy vertebra are about equal
        assert 1.5 < parts[f'{side} pedicle']['bone_cc'] < 4
    assert not parts['right lamina']['included'] and parts['right lamina']['why'] == 'excluded by hand'
    with h5py.File(path) as f:
        assert json.loads(f['targets'][()]) == record
        assert f['structures/L02 6 right pedicle'].attrs['role'] in ('sector', b'sector')
        assert f['prescription'].attrs['target'] in ('PTV_eval', b'PTV_eval')


def test_the_report_draws_what_was_decided(made, tmp_path):
    write_fake_plan(made[0], tmp_path / 'plan.h5')
    with h5py.File(made[0]) as case, h5py.File(tmp_path / 'plan.h5', 'a') as plan:
        case.copy('targets', plan.create_group('case'))
    page = make_page(read_plan(tmp_path / 'plan.h5'), None)
    assert 'id="targets"' in page and page.count('class="canal"') == 1
    assert 'right lamina: excluded by hand' in page and 'Cox BW' in page
    assert page.count('<path class="in') == 6 and page.count('<path class="out') == 2
    # sectors can be shown on the slices and have no row of doses
    assert '"name":"L02 6 right pedicle"' in page and '<td>sector</td>' not in page.replace('\n', '')


@pytest.mark.parametrize('words, sentence', [
    ((), 'no GTV'),
    (('--gtv', 'VB_L2', '--vertebra', 'liver'), 'vertebra'),
    (('--gtv', 'VB_L2', '--include', 'rib'), "'rib' names no part"),
    (('--gtv', 'nothing'), "no structure 'nothing'"),
    (('--gtv', 'VB_L2', '--canal', 'liver'), 'vertebra'),
    (('--gtv', 'VB_L2', '--ptv-margin-mm', 'wide'), 'no good value'),
    (('--gtv', 'VB_L2', '--preop-gtv', 'VB_L1'), '--postoperative'),
])
def test_mistakes_are_told_in_one_sentence(tmp_path, words, sentence):
    done = run(LUMBAR, '-o', tmp_path / 'out.h5', *words)
    assert done.returncode == 2 and sentence in done.stderr
    assert done.stderr.count('\n') == 1 and not (tmp_path / 'out.h5').exists()


def test_plan_makes_the_margins_that_a_case_lacks(tmp_path):
    """A CTV and a cord alone: PRV, PTV and the PTV without the PRV are made, and each is told."""
    case = tmp_path / 'case.h5'
    shutil.copy(LUMBAR, case)
    with h5py.File(case, 'a') as f:
        del f['structures/PTV']
        del f['prescription'].attrs['target']
    done = subprocess.run([SPINEPLAN, 'plan', case, '-o', tmp_path / 'plan.h5', '--grid-mm', '6', '--bixel-mm', '15',
                           '--beams', '180', '--max-time', '1', '--json'], capture_output=True, text=True, timeout=120)
    # 1: so short a search may miss a hard limit
    assert done.returncode in (0, 1), done.stderr
    for made in ('spinal_cord_PRV02', 'PTV', 'PTV_eval'):
        assert f'made {made} (' in done.stderr
    assert 'spinal_cord as cord' in done.stderr and 'aorta as GreatVes' in done.stderr
    evaluation = json.loads(done.stdout)
    assert evaluation['prescription']['target'] == 'PTV_eval'
    assert any(limit['structure'] == 'spinal_cord_PRV02' and limit['hard'] for limit in evaluation['limits'])


def test_a_protocol_needs_only_tumour_cord_and_body(tmp_path):
    """No prescription, no target, no PRV, no beams: the protocol's name does the rest, and the plan holds the cord."""
    case = tmp_path / 'case.h5'
    subprocess.run([SPINEPLAN, '-q', 'phantom', 'thoracic-spine', '--voxel-mm', '4x4x4', '-o', case], check=True)
    with h5py.File(case, 'a') as f:
        for name in set(f['structures']) - {'GTV', 'SpinalCord', 'External'}:
            del f['structures'][name]
        del f['prescription']
        for name in ('beams', 'targets'):
            if name in f:
                del f[name]
        for role in f['structures'].values():  # names alone tell what is what
            if role.attrs['role'] in ('cord', b'cord'):
                del role.attrs['role']
    done = subprocess.run([SPINEPLAN, 'plan', case, '--protocol', 'sc24-24gy-2fx', '-o', tmp_path / 'plan.h5', '--grid-mm', '4',
                           '--bixel-mm', '6', '--technique', 'fluence', '--json'], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    evaluation = json.loads(done.stdout)
    assert evaluation['prescription'] | {'protocol_title': None} == {
        'dose_gy': 24.0, 'fractions': 2, 'target': 'PTV_eval', 'protocol': 'sc24-24gy-2fx', 'protocol_title': None}
    assert evaluation['all_limits_met']
    values = {(limit['structure'], limit['metric']): limit['value'] for limit in evaluation['limits']}
    assert values['SpinalCord_PRV02', 'D0.03cc_Gy'] <= 17.005
    assert next(goal for goal in evaluation['goals'] if goal['metric'] == 'V100_pct')['value'] > 80.0
    assert 'beams: level ' in done.stderr and '13 all round' in done.stderr
    with h5py.File(tmp_path / 'plan.h5') as f:
        assert len(f['beams']) == 13 and f['case/prescription'].attrs['fractions'] == 2


def test_a_boost_gets_its_dose_within_the_same_limits(tmp_path):
    case = tmp_path / 'case.h5'
    subprocess.run([SPINEPLAN, '-q', 'phantom', 'thoracic-spine', '--voxel-mm', '4x4x4', '-o', case], check=True)
    options = ('--grid-mm', '4', '--bixel-mm', '5', '--json')
    d95 = {}
    for name, boost in (('plain', ()), ('boosted', ('--boost', 'gtv:27'))):
        done = subprocess.run([SPINEPLAN, 'plan', case, '-o', tmp_path / f'{name}.h5', *options, *boost], capture_output=True,
                              text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        evaluation = json.loads(done.stdout)
        assert evaluation['all_limits_met']
        d95[name] = next(s for s in evaluation['structures'] if s['name'] == 'GTV')['metrics']['D95_Gy']
    assert d95['plain'] < 26.5 and d95['boosted'] >= 27.0
    assert evaluation['prescription']['boost'] == {'structure': 'GTV', 'dose_gy': 27.0}
    goal = next(g for g in evaluation['goals'] if g['source'] == 'the boost prescribed')
    assert goal['structure'] == 'GTV' and goal['metric'] == 'D95_Gy' and goal['met']
    again = subprocess.run([SPINEPLAN, 'evaluate', tmp_path / 'boosted.h5'], capture_output=True, text=True, check=True)
    assert 'boost of 27 Gy to GTV' in again.stdout  # the plan file keeps it


@pytest.mark.parametrize('boost, sentence', [('ptv:20', 'more than the prescription'), ('GTV', 'as GTV:27'), ('nose:27', "'nose'"),
                                             ('kidney_left:27', 'only 0 % of kidney_left'), ('external:27', 'lies in the target')])
def test_a_boost_that_cannot_be_is_refused(tmp_path, boost, sentence):
    done = subprocess.run([SPINEPLAN, '-q', 'plan', LUMBAR, '-o', tmp_path / 'plan.h5', '--boost', boost], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 2 and sentence in done.stderr and done.stderr.count('\n') == 1


def test_a_protocol_may_have_a_boost(tmp_path):
    case, own = tmp_path / 'case.h5', tmp_path / 'own.yaml'
    subprocess.run([SPINEPLAN, '-q', 'phantom', 'thoracic-spine', '--voxel-mm', '4x4x4', '-o', case], check=True)
    text = ('name: own-24gy-2fx\ntitle: t\nsource: in-house\ndose_gy: 24\nfractions: 2\n'
            'boost: {structure: %s, dose_gy: %s}\ntables: [cord-sbrt]\n')
    command = [SPINEPLAN, 'plan', case, '-o', tmp_path / 'plan.h5', '--protocol', own, '--grid-mm', '6', '--bixel-mm', '10', '--max-time',
               '1', '--technique', 'fluence']
    for structure, dose, options, sentence in (('role:gtv', 20, (), 'expected more than the prescription of 24'),
                                               ('role:hardware', 27, (), 'of which the case has none'),
                                               ('role:nose', 27, (), "'role:nose' is no role"), ('role:gtv', 27, (), None),
                                               ('role:hardware', 27, ('--boost', 'none'), None)):
        own.write_text(text % (structure, dose))
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=200, check=False)
        if sentence:
            assert done.returncode == 2 and sentence in done.stderr and done.stderr.count('\n') <= 2, done.stderr
            continue
        with h5py.File(tmp_path / 'plan.h5') as f:
            wanted = {'boost': 'GTV', 'boost_gy': 27.0} if not options else {}
            assert {k: v for k, v in f['case/prescription'].attrs.items() if k.startswith('boost')} == wanted, done.stderr


def test_a_second_boost_and_angles_of_arcs_are_refused(tmp_path):
    for options, sentence in ((('--boost', 'GTV:27', '--boost', 'PTV:26'), 'given twice'),
                              (('--technique', 'vmat', '--beams', '0,40'), '--beams is for fluence plans')):
        done = subprocess.run([SPINEPLAN, 'plan', LUMBAR, '-o', tmp_path / 'plan.h5', *options], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 2 and sentence in done.stderr, done.stderr


def test_a_boost_of_the_case_below_another_dose_is_refused(tmp_path):
    case = tmp_path / 'case.h5'
    shutil.copy(LUMBAR, case)
    with h5py.File(case, 'r+') as f:
        f['prescription'].attrs['boost'] = f['prescription'].attrs['target']
        f['prescription'].attrs['boost_gy'] = float(f['prescription'].attrs['dose_gy']) + 3.0
    command = [SPINEPLAN, 'plan', case, '-o', tmp_path / 'plan.h5', '--grid-mm', '6', '--bixel-mm', '10', '--max-time', '1']
    done = subprocess.run([*command, '--dose-gy', '60'], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and 'expected more than the prescription of 60 Gy' in done.stderr
    subprocess.run([*command, '--dose-gy', '60', '--boost', 'none'], capture_output=True, timeout=200, check=False)
    with h5py.File(tmp_path / 'plan.h5') as f:
        assert 'boost' not in f['case/prescription'].attrs


def test_empty_cord_is_said_and_fails_the_plan(tmp_path):
    case = tmp_path / 'case.h5'
    subprocess.run([SPINEPLAN, '-q', 'phantom', 'thoracic-spine', '--voxel-mm', '4x4x4', '-o', case], check=True)
    with h5py.File(case, 'r+') as f:
        for s in f['structures'].values():
            if s.attrs['role'] in ('cord', b'cord', 'prv', b'prv'):
                for name in list(s):
                    old = s[name]
                    empty = old[:1] if name == 'offsets' else old[:0]
                    del s[name]
                    s[name] = empty
    done = subprocess.run([SPINEPLAN, 'plan', case, '-o', tmp_path / 'plan.h5', '--grid-mm', '5', '--bixel-mm', '10', '--max-time', '1'],
                          capture_output=True, text=True, timeout=200, check=False)
    assert 'is empty: its hard limit on D0.03cc' in done.stderr and 'hard limits could not be judged' in done.stderr
    assert done.returncode == 1 and 'NOT all limits met' in done.stdout
