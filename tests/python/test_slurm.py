"""scripts/slurm on a real Slurm of one node: tasks that are killed and pre-empted lose nothing and change no bit."""
import csv
import json
import os
import pathlib
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from small_case import PLAN_OPTIONS, write_small_case
from small_cluster import Cluster, Unavailable

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLURM = ROOT / 'scripts' / 'slurm'
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
# as the jobs have it: one processor each
ONE_THREAD = dict(os.environ, POCL_MAX_PTHREAD_COUNT='1', OMP_NUM_THREADS='1')


@pytest.fixture(scope='module')
def cluster():
    try:
        made = Cluster()
    except Unavailable as e:
        if os.environ.get('SPINEPLAN_SLURM') == 'required':
            raise
        pytest.skip(f'no Slurm here: {e}')
    yield made
    made.stop()


def records(out):
    found = {}
    for path in (out / 'records').glob('*.json'):
        try:
            found[path.stem] = json.loads(path.read_text())
        except (OSError, ValueError):
            pass  # just replaced
    return found


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, 'it never came to that'
        time.sleep(0.02)
    return found


def running(out):
    return {name: r for name, r in records(out).items() if r['status'] == 'running' and name != 'broken'}


def state_of(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:
        return ''


def name_of(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/comm').read_text()
    except OSError:
        return ''


def waits_for(pid, number):
    """Was the stopped process sent the signal?"""
    lines = pathlib.Path(f'/proc/{pid}/status').read_text().splitlines()
    return any(int(line.split()[1], 16) >> (number - 1) & 1 for line in lines if line.startswith(('ShdPnd', 'SigPnd')))


def held(out, wanted=None):
    """(case, record, pid of its program) of a running case whose program is now stopped: it cannot end before what comes."""
    for name, record in running(out).items():
        if wanted and name != wanted:
            continue
        for children in pathlib.Path(f'/proc/{record["pid"]}/task').glob('*/children'):
            try:
                pids = children.read_text().split()
            except OSError:
                continue  # ended meanwhile
            for pid in pids:
                if state_of(pid) in 'ZX':
                    continue
                os.kill(int(pid), signal.SIGSTOP)
                wait_until(lambda pid=pid: state_of(pid) in ('', 'T', 'X', 'Z'))
                if name_of(pid) == name_of(record['pid']):  # not yet the program: it still has the files and locks of its parent
                    os.kill(int(pid), signal.SIGCONT)
                elif state_of(pid) == 'T':
                    return name, record, int(pid)
    return None


def dose_of(path):
    with h5py.File(path) as f:
        return f['dose/dose_gy'][...]


@pytest.fixture(scope='module')
def cohort(cluster, tmp_path_factory):
    """19 cases and a broken one; one of the first tasks is killed, and all that run after that are pre-empted."""
    folder = tmp_path_factory.mktemp('slurm')
    cases, out = folder / 'cases', folder / 'out'
    cases.mkdir()
    for i in range(19):
        write_small_case(cases / f'case{i:02d}.h5', seed=i)
    (cases / 'broken.h5').write_bytes(b'no HDF5')
    done = cluster.run(SLURM, 'cohort', cases, '-o', out, '--gpus', '1', '--cpus-per-task', '1', '--partition', 'main',
                       '--time', '10', '--no-report', '--', *PLAN_OPTIONS)
    assert done.returncode == 0, done.stderr
    killed, record, _ = wait_until(lambda: held(out))
    os.kill(record['pid'], signal.SIGKILL)
    wait_until(lambda: (found := held(out)) and found[0] != killed)
    # takes all four processors; asked for like this Slurm looks at once, not at its next round
    urgent = cluster.run('salloc', '-p', 'urgent', '-c', '4', 'true')
    assert urgent.returncode == 0, urgent.stderr
    cluster.wait_for_all_jobs(120)
    return cases, out, killed


def test_a_cohort_survives_a_killed_and_pre_empted_tasks(cohort):
    _, out, killed = cohort
    with open(out / 'cohort.csv', newline='') as f:
        rows = {row['Case']: row for row in csv.DictReader(f)}
    assert len(rows) == 20
    assert {name for name, row in rows.items() if row['Status'] != 'done'} == {'broken'}
    assert rows['broken']['Status'] == 'failed'
    assert 'broken.h5' in rows['broken']['Error']
    found = records(out)
    assert found[killed]['attempts'] >= 2
    assert sum(r.get('interruptions', 0) for r in found.values()) >= 1
    assert (out / 'cohort.html').exists()


def test_what_was_stopped_has_the_bits_of_an_undisturbed_plan(cohort, tmp_path):
    cases, out, killed = cohort
    stopped = next(name for name, r in records(out).items() if r.get('interruptions', 0) and name != 'broken')
    for name in {killed, stopped}:
        done = subprocess.run([SPINEPLAN, 'plan', cases / f'{name}.h5', '-o', tmp_path / 'plan.h5', *PLAN_OPTIONS],
                              env=ONE_THREAD, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(dose_of(out / 'plans' / f'{name}.h5'), dose_of(tmp_path / 'plan.h5'))


def test_what_is_done_is_not_submitted_again(cohort, cluster):
    cases, out, _ = cohort
    done = cluster.run(SLURM, 'cohort', cases, '-o', out, '--no-report', '--dry-run', '--', *PLAN_OPTIONS)
    assert done.returncode == 0, done.stderr
    assert '#SBATCH --array="1"\n' in done.stdout  # broken.h5, the first by name


def test_what_its_user_cancels_does_not_come_back(cluster, tmp_path):
    """One task runs, the others wait."""
    cases, out = tmp_path / 'cases', tmp_path / 'out'
    cases.mkdir()
    for i in range(3):
        write_small_case(cases / f'case{i}.h5', seed=i)
    done = cluster.run(SLURM, 'cohort', cases, '-o', out, '--at-once', '1', '--no-report', '--', *PLAN_OPTIONS)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: held(out))
    assert cluster.run('scancel', done.stderr.split(' submitted as ')[1].split(';')[0]).returncode == 0
    cluster.wait_for_all_jobs(60)
    with open(out / 'cohort.csv', newline='') as f:
        assert [row['Status'] for row in csv.DictReader(f)] == ['cancelled'] * 3
    assert len(list((out / 'logs').glob('slurm-gather-*'))) == 1


DOSE_OPTIONS = ['--histories', '196608', '--batch-histories', '8192', '--seed', '5']
DOSE_RESULTS = ('dose/dose_gy', 'dose/sigma_gy', 'montecarlo/sum', 'montecarlo/squares')


@pytest.fixture(scope='module')
def one_dose(cohort, tmp_path_factory):
    """(case, plan, dose of one run without Slurm)"""
    cases, out, _ = cohort
    case, plan, dose = cases / 'case00.h5', out / 'plans' / 'case00.h5', tmp_path_factory.mktemp('one') / 'dose.h5'
    subprocess.run([SPINEPLAN, 'dose', case, plan, '-o', dose, *DOSE_OPTIONS], env=ONE_THREAD, check=True, capture_output=True)
    return case, plan, dose


def assert_same_dose(path, other):
    with h5py.File(path) as one, h5py.File(other) as two:
        for name in DOSE_RESULTS:
            assert np.array_equal(one[name][...], two[name][...])


def test_a_dose_in_parts_that_meets_its_time_limit_has_the_bits_of_one_run(cluster, one_dose, tmp_path):
    case, plan, one = one_dose
    # Slurm looks at time limits every 30 s, and signals 30 s early at most: 10 to 40 s after the start
    command = [SLURM, 'dose', case, plan, '-o', tmp_path / 'dose.h5', '--parts', '3', '--gpus', '1', '--cpus-per-task', '1',
               '--time', '2', '--grace', '80']
    done = cluster.run(*command, '--', *DOSE_OPTIONS)
    assert done.returncode == 0, done.stderr
    log = tmp_path / 'dose.h5.parts' / 'logs' / '00002.txt'
    wait_until(lambda: log.exists() and 'starts after' in log.read_text())
    _, _, part = wait_until(lambda: held(tmp_path / 'dose.h5.parts', '00002'))
    wait_until(lambda: waits_for(part, signal.SIGTERM), 90)
    os.kill(part, signal.SIGCONT)
    cluster.wait_for_all_jobs(120)
    record = records(tmp_path / 'dose.h5.parts')['00002']
    assert record['interruptions'] >= 1
    assert 'goes on after' in log.read_text()
    assert_same_dose(tmp_path / 'dose.h5', one)
    assert not list((tmp_path / 'dose.h5.parts' / 'parts').iterdir())
    again = cluster.run(*command, '--', *DOSE_OPTIONS)
    assert 'nothing to do' in again.stderr


def test_a_lost_merging_job_is_all_that_the_same_command_submits_again(cluster, one_dose, tmp_path):
    case, plan, one = one_dose
    command = [SLURM, 'dose', case, plan, '-o', tmp_path / 'dose.h5', '--parts', '2', '--keep-parts']
    done = cluster.run(*command, '--sbatch-gather=--begin=now+1hour', '--', *DOSE_OPTIONS)
    assert done.returncode == 0, done.stderr
    gathering = done.stdout.split()[-1]
    parts = tmp_path / 'dose.h5.parts'
    wait_until(lambda: [r['status'] for r in records(parts).values()] == ['done', 'done'])
    assert cluster.run('scancel', gathering).returncode == 0
    cluster.wait_for_all_jobs(60)
    assert not (tmp_path / 'dose.h5').exists()
    again = cluster.run(*command, '--', *DOSE_OPTIONS)
    assert 'all tasks are done' in again.stderr
    cluster.wait_for_all_jobs(60)
    assert_same_dose(tmp_path / 'dose.h5', one)
    assert len(list((parts / 'parts').glob('*.h5'))) == 2
