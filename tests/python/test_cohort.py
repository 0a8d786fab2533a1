"""scripts/cohort: what is done stays done, what changed is done again, and whatever ends it costs nothing."""
import csv
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from small_case import PLAN_OPTIONS, write_small_case

ROOT = pathlib.Path(__file__).resolve().parents[2]
COHORT = [sys.executable, str(ROOT / 'scripts' / 'python' / 'make_cohort.py')]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
EVIL = '<b>&"x'


def cohort(cases, out, *options, plan=tuple(PLAN_OPTIONS), **environment):
    return subprocess.run([*COHORT, str(cases), '-o', str(out), *options, '--', *plan], capture_output=True, text=True,
                          check=False, timeout=300, env=os.environ | {'SPINEPLAN': SPINEPLAN} | environment)


def table(out):
    with open(out / 'cohort.csv', newline='') as f:
        return {row['Case']: row for row in csv.DictReader(f)}


def record(out, name):
    return json.loads((out / 'records' / f'{name}.json').read_text())


def dose_of(path, name='dose/dose_gy'):
    with h5py.File(path) as f:
        return f[name][...]


def inode(path):
    return path.stat().st_ino


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Two cases, one with a hostile name, and one that is none."""
    folder = tmp_path_factory.mktemp('cohort')
    cases, out = folder / 'cases', folder / 'out'
    cases.mkdir()
    write_small_case(cases / f'{EVIL}.h5', seed=1)
    write_small_case(cases / 'plain.h5', seed=2)
    (cases / '=broken.h5').write_bytes(b'no HDF5')
    done = cohort(cases, out)
    return cases, out, done


@pytest.fixture
def copy(made, tmp_path):
    """Cases and results of `made`, to change."""
    cases, out, _ = made
    shutil.copytree(cases, tmp_path / 'cases')
    shutil.copytree(out, tmp_path / 'out')
    (tmp_path / 'cases' / '=broken.h5').unlink()
    return tmp_path / 'cases', tmp_path / 'out'


def test_every_case_is_in_the_table_and_a_broken_one_stops_no_other(made):
    _, out, done = made
    assert done.returncode == 1, done.stderr
    rows = table(out)
    assert {name: row['Status'] for name, row in rows.items()} == {EVIL: 'done', 'plain': 'done', "'=broken": 'failed'}
    assert 'is not an HDF5 file' in rows["'=broken"]['Error']
    for name in (EVIL, 'plain'):
        with h5py.File(out / 'plans' / f'{name}.h5') as f:
            evaluation = json.loads(f['evaluation'][()])
        met = sum(limit['met'] for limit in evaluation['limits'])
        assert rows[name]['Limits'] == f'{met} of {len(evaluation["limits"])} met'
        target = next(s for s in evaluation['structures'] if s['name'] == 'PTV')
        assert float(rows[name]['Target D95 (Gy)']) == pytest.approx(target['metrics']['D95_Gy'], rel=1e-3)
        assert float(rows[name]['Plan (s)']) > 0
        assert rows[name]['Device']
        assert (out / 'reports' / f'{name}.html').exists()


def test_the_page_escapes_what_cases_are_called(made):
    _, out, _ = made
    page = (out / 'cohort.html').read_text()
    assert EVIL not in page
    assert '&lt;b&gt;&amp;&#34;x' in page
    assert 'reports/%3Cb%3E%26%22x.html' in page


def test_what_is_done_is_not_done_again_and_what_changed_is(copy):
    cases, out = copy
    before = {name: inode(out / 'plans' / f'{name}.h5') for name in (EVIL, 'plain')}
    done = cohort(cases, out)
    assert done.returncode == 0, done.stderr
    assert {name: inode(out / 'plans' / f'{name}.h5') for name in before} == before
    assert '2 of 2 cases are done already' in done.stderr

    write_small_case(cases / 'plain.h5', seed=3)
    assert cohort(cases, out).returncode == 0
    assert inode(out / 'plans' / f'{EVIL}.h5') == before[EVIL]
    assert inode(out / 'plans' / 'plain.h5') != before['plain']

    before = {name: inode(out / 'plans' / f'{name}.h5') for name in before}
    os.truncate(out / 'plans' / 'plain.h5', 1000)
    assert cohort(cases, out, plan=PLAN_OPTIONS).returncode == 0
    assert dose_of(out / 'plans' / 'plain.h5').max() > 20
    assert cohort(cases, out, '--no-report', plan=[*PLAN_OPTIONS, '--dose-gy', '20']).returncode == 0
    assert all(inode(out / 'plans' / f'{name}.h5') != before[name] for name in before)
    assert table(out)['plain']['Prescription (Gy)'] == '20'


def test_another_program_does_all_again(copy, tmp_path):
    cases, out = copy
    shutil.copy(SPINEPLAN, tmp_path / 'spineplan')
    with open(tmp_path / 'spineplan', 'ab') as f:
        f.write(b'\0')
    before = inode(out / 'plans' / 'plain.h5')
    assert cohort(cases, out, '--no-report', SPINEPLAN=str(tmp_path / 'spineplan')).returncode == 0
    assert inode(out / 'plans' / 'plain.h5') != before


def test_a_case_that_became_bad_leaves_no_old_plan(copy):
    cases, out = copy
    (cases / 'plain.h5').write_bytes(b'no HDF5')
    assert cohort(cases, out).returncode == 1
    assert not (out / 'plans' / 'plain.h5').exists()
    assert not (out / 'reports' / 'plain.html').exists()
    assert table(out)['plain']['Target D95 (Gy)'] == ''


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL], ids=['SIGTERM', 'SIGKILL'])
def test_stopped_in_the_middle_it_goes_on_to_the_same_bits(made, tmp_path, number):
    cases, out, _ = made
    shutil.copytree(cases, tmp_path / 'cases')
    (tmp_path / 'cases' / '=broken.h5').unlink()
    (tmp_path / 'cases' / 'plain.h5').unlink()
    dose = '--histories 80000 --batch-histories 2048 --checkpoint 0.05'
    log = tmp_path / 'out' / 'logs' / f'{EVIL}.txt'
    with subprocess.Popen([*COHORT, str(tmp_path / 'cases'), '-o', str(tmp_path / 'out'), '--dose', dose, '--no-report', '--',
                           *PLAN_OPTIONS], stderr=subprocess.PIPE, text=True, env=dict(os.environ, SPINEPLAN=SPINEPLAN)) as process:
        end = time.monotonic() + 60
        while not (tmp_path / 'out' / 'work' / EVIL / 'dose.h5.checkpoint').exists():
            if number == signal.SIGTERM and log.exists() and 'starts after' in log.read_text():
                break
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(number)
        process.stderr.read()
        assert process.wait() == (4 if number == signal.SIGTERM else -signal.SIGKILL)
    done = cohort(tmp_path / 'cases', tmp_path / 'out', '--dose', dose, '--no-report')
    assert done.returncode == 0, done.stderr
    assert 'goes on after' in log.read_text()
    assert np.array_equal(dose_of(tmp_path / 'out' / 'plans' / f'{EVIL}.h5'), dose_of(out / 'plans' / f'{EVIL}.h5'))
    subprocess.run([SPINEPLAN, 'dose', cases / f'{EVIL}.h5', out / 'plans' / f'{EVIL}.h5', '-o', tmp_path / 'one.h5', '--engine',
                    'mc', *dose.split()], check=True, capture_output=True)
    resumed = tmp_path / 'out' / 'doses' / f'{EVIL}.h5'
    assert np.array_equal(dose_of(resumed, 'montecarlo/sum'), dose_of(tmp_path / 'one.h5', 'montecarlo/sum'))
    assert not list((tmp_path / 'out' / 'work').glob('*/*'))


def test_two_at_once_in_one_folder_are_refused(copy):
    cases, out = copy
    with open(out / '.lock', 'a') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = cohort(cases, out)
    assert done.returncode == 2
    assert 'another scripts/cohort is at work' in done.stderr


@pytest.mark.parametrize('options, said', [
    (['--device', '99'], 'counted from 0'), (['--jobs', '0'], '--jobs'), (['--retries', '-1'], '--retries'),
    (['--dose=-o x'], '-o is not for the options'), (['--device', 'x'], 'expected numbers')])
def test_wrong_use_is_one_sentence(made, tmp_path, options, said):
    done = cohort(made[0], tmp_path / 'out', *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_a_folder_without_cases_is_refused(tmp_path):
    done = cohort(tmp_path, tmp_path / 'out')
    assert done.returncode == 2
    assert 'no cases' in done.stderr
