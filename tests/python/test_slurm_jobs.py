"""What scripts/slurm submits, takes back, leaves and submits again; with stand-ins for Slurm's commands."""
import csv
import json
import os
import subprocess

import pytest

import slurm_task
from cohort.slurm import cancelled_groups, numbers_in
from fake_program import FakeProgram, make_cases
from fake_slurm import FakeSlurm


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    made = FakeSlurm(tmp_path / 'slurm')
    monkeypatch.setenv('PATH', made.path)
    return made


@pytest.fixture
def program(tmp_path, monkeypatch):
    made = FakeProgram(tmp_path / 'program')
    monkeypatch.setenv('SPINEPLAN', str(made.path))
    return made


def submit(program, *words):
    return subprocess.run(program.command('submit_slurm.py', *words), capture_output=True, text=True, check=False, timeout=60,
                          env=program.environment())


def options_of(script):
    return [line.removeprefix('#SBATCH ') for line in script.splitlines() if line.startswith('#SBATCH ')]


def task_of(script, number):
    """The line that a task of an array runs, as its shell would have it."""
    line = script.splitlines()[-1].replace('exec ', 'echo ')
    return subprocess.run(['sh', '-c', line], capture_output=True, text=True, check=True,
                          env=os.environ | {'SLURM_ARRAY_TASK_ID': str(number)}).stdout.split()


def test_all_options_come_to_sbatch(slurm, program, tmp_path):
    given = {'partition': 'gpu', 'time': '20', 'gpus': '1', 'cpus-per-task': '4', 'mem': '8G', 'gres': 'x:1', 'account': 'a',
             'qos': 'high', 'constraint': 'h100', 'nodelist': 'n[1-4]', 'exclude': 'n5'}
    cases = make_cases(tmp_path / 'cases', 'c1', 'c2')
    done = submit(program, 'cohort', cases, '-o', tmp_path / 'out', *(f'--{k}={v}' for k, v in given.items()), '--grace', '90',
                  '--name', 'spine', '--sbatch=--nice=7', '--sbatch=--mail-type=END', '--sbatch-gather=--begin=now+60')
    assert done.returncode == 0, done.stderr
    assert done.stdout == '102\n'
    array, gather = (options_of(slurm.submitted()[job]) for job in ('101', '102'))
    for name, value in given.items():
        assert f'--{name}="{value}"' in array
        assert (f'--{name}="{value}"' in gather) == (name in ('partition', 'time', 'account', 'qos'))
    assert {'--array="1-2"', '--requeue', '--signal="B:TERM@90"', '--nice=7', '--mail-type=END', '--job-name="spine"'} <= set(array)
    assert {'--cpus-per-task="1"', '--begin=now+60', '--job-name="spine-gather"'} <= set(gather)
    assert slurm.calls('sbatch')[1] == ['--parsable', '--dependency=afterany:101', str(tmp_path / 'out/jobs/gather.sh'), '101:-1']


def test_cases_are_shared_out_over_tasks_and_arrays(slurm, program, tmp_path):
    (slurm.folder / 'most').write_text('4')  # indices below it: 1 to 3
    cases = make_cases(tmp_path / 'cases', *(f'c{i:02d}' for i in range(15)))
    done = submit(program, 'cohort', cases, '-o', tmp_path / 'out', '--cases-per-task', '2', '--at-once', '2')
    assert done.returncode == 0, done.stderr
    jobs = slurm.submitted()
    assert [next(o for o in options_of(jobs[job]) if 'array' in o) for job in ('101', '102', '103')] == [
        '--array="1-3%2"', '--array="1-3%2"', '--array="1-2%2"']
    assert [int(task_of(jobs[job], n)[-1]) for job, last in (('101', 3), ('102', 3), ('103', 2)) for n in range(1, last + 1)] == [
        *range(8)]
    # one after another, or each would have two tasks at once
    assert [[word for word in call if 'dependency' in word] for call in slurm.calls('sbatch')] == [
        [], ['--dependency=afterany:101'], ['--dependency=afterany:102'], ['--dependency=afterany:101:102:103']]
    settings = json.loads((tmp_path / 'out' / 'settings.json').read_text())
    assert len(settings['cases']) == 15


def test_a_task_does_its_cases_and_no_other(slurm, program, tmp_path):
    cases = make_cases(tmp_path / 'cases', *(f'c{i}' for i in range(3)))
    assert submit(program, 'cohort', cases, '-o', tmp_path / 'out', '--no-report', '--cases-per-task', '2').returncode == 0
    words = task_of(slurm.submitted()['101'], 2)
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    assert [path.name for path in (tmp_path / 'out' / 'plans').iterdir()] == ['c2.h5']


def test_a_dry_run_writes_nothing_and_says_when_there_is_nothing_to_do(slurm, program, tmp_path):
    cases, out = make_cases(tmp_path / 'cases', 'c1', 'c2'), tmp_path / 'out'
    done = submit(program, 'cohort', cases, '-o', out, '--no-report', '--dry-run')
    assert done.returncode == 0
    assert '--array="1-2"' in done.stdout and 'gather' in done.stdout
    assert not out.exists() and not slurm.calls('sbatch')
    assert program.cohort(cases, out).returncode == 0
    done = submit(program, 'cohort', cases, '-o', out, '--no-report', '--dry-run')
    assert (done.returncode, done.stdout) == (0, '')
    assert 'nothing to do' in done.stderr


@pytest.mark.parametrize('refuses', [False, True])
def test_arrays_without_a_job_that_gathers_are_taken_back(slurm, program, tmp_path, refuses):
    if refuses:
        (slurm.folder / 'scancel.refuses').touch()
    cases = make_cases(tmp_path / 'cases', 'c1')
    done = submit(program, 'cohort', cases, '-o', tmp_path / 'out', '--sbatch-gather=--nonsense=1')
    assert done.returncode == 2
    assert 'sbatch refuses' in done.stderr
    assert slurm.calls('scancel') == [['101']]
    assert ('stay in the queue' in done.stderr) == refuses
    assert ('101 cancelled' in done.stderr) != refuses


@pytest.mark.parametrize('text, numbers', [('7', [7]), ('1-3,7%2', [1, 2, 3, 7]), ('1-9:4', [1, 5, 9]), ('[2-3]', [2, 3]), ('', [])])
def test_numbers_of_tasks_are_read_as_slurm_writes_them(text, numbers):
    assert numbers_in(text) == numbers


def test_what_was_cancelled_running_or_waiting_is_found(slurm):
    slurm.set_jobs('101', 'ArrayTaskId=3-5%2 JobState=CANCELLED Reason=None', 'ArrayTaskId=1 JobState=COMPLETED', 'ArrayTaskId=2 '
                   'JobState=CANCELLED', 'ArrayTaskId=6 JobState=NODE_FAIL', 'ArrayTaskId=7 JobState=PREEMPTED')
    assert cancelled_groups(['101:-1', '102:2']) == {1, 2, 3, 4}
    (slurm.folder / 'sacct.says').write_text('102_1|CANCELLED by 0\n102_2|TIMEOUT\n102_[3-4]|CANCELLED by 1000\n')
    assert cancelled_groups(['102:2']) == {3, 5, 6}


@pytest.fixture
def queued(slurm, program, tmp_path):
    """Four cases, of which the first is done."""
    cases, out = make_cases(tmp_path / 'cases', 'c1', 'c2', 'c3', 'c4'), tmp_path / 'out'
    assert submit(program, 'cohort', cases, '-o', out, '--no-report').returncode == 0
    words = task_of(slurm.submitted()['101'], 1)
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    return out


def statuses(out):
    with open(out / 'cohort.csv', newline='') as f:
        return [row['Status'] for row in csv.DictReader(f)]


def test_cancelled_tasks_stay_so_and_lost_ones_come_back(queued, slurm, program, tmp_path):
    slurm.set_jobs('101', 'ArrayTaskId=2 JobState=CANCELLED', 'ArrayTaskId=3 JobState=NODE_FAIL', 'ArrayTaskId=4 JobState=CANCELLED')
    assert slurm_task.gather(queued, 2, ['101:-1']) == 0
    assert '--array="3"' in options_of(slurm.submitted()['103'])
    assert slurm.submitted()['104'].splitlines()[-1].endswith(' 1 "$@"')
    assert statuses(queued) == ['done', 'cancelled', 'not run', 'cancelled']
    # the next gathering knows nothing of the first array, and leaves what it has written down
    slurm.set_jobs('103', 'ArrayTaskId=3 JobState=NODE_FAIL')
    assert slurm_task.gather(queued, 1, ['103:-1']) == 0
    assert '--array="3"' in options_of(slurm.submitted()['105'])
    assert slurm_task.gather(queued, 0, ['105:-1']) == 1
    assert len(slurm.calls('sbatch')) == 6
    # who gives the command again wants them after all
    done = submit(program, 'cohort', tmp_path / 'cases', '-o', queued, '--no-report')
    assert '--array="2-4"' in options_of(slurm.submitted()['107']), done.stderr


def test_rows_of_an_array_that_was_lost_are_not_those_of_earlier_options(queued, slurm, program, tmp_path):
    done = submit(program, 'cohort', tmp_path / 'cases', '-o', queued, '--no-report', '--retries', '0', '--', '--dose-gy', '18')
    assert done.returncode == 0, done.stderr
    assert slurm_task.gather(queued, 0, []) == 1
    assert statuses(queued) == ['not finished', 'not run', 'not run', 'not run']


@pytest.mark.parametrize('state, comes_back', [('RUNNING', True), ('PREEMPTED', True), ('COMPLETING', False), ('CANCELLED', False)])
def test_only_a_job_that_counts_as_running_goes_back(slurm, monkeypatch, state, comes_back):
    monkeypatch.setenv('SLURM_JOB_ID', '5')
    monkeypatch.setattr(slurm_task.time, 'sleep', lambda _: None)
    slurm.set_jobs('5', f'JobState={state}')
    slurm_task.requeue()
    assert slurm.calls('requeue') == ([['requeue', '5']] if comes_back else [])


def test_a_dose_that_is_merged_is_not_merged_again(slurm, program, tmp_path):
    make_cases(tmp_path, 'case', 'plan')
    words = ['dose', tmp_path / 'case.h5', tmp_path / 'plan.h5', '-o', tmp_path / 'merged.h5', '--parts', '2', '--', '--histories', '9']
    assert submit(program, *words).returncode == 0
    out = tmp_path / 'merged.h5.parts'
    for number in (1, 2):
        assert subprocess.run(task_of(slurm.submitted()['101'], number), check=False, capture_output=True).returncode == 0
    assert [call.split()[-2] for call in program.calls('dose')] == ['1/2', '2/2']
    assert slurm_task.gather(out, 2, ['101:-1']) == 0
    assert (tmp_path / 'merged.h5').read_bytes() == (program.folder / 'dose.h5').read_bytes()
    assert list((out / 'parts').iterdir()) == []
    assert slurm_task.gather(out, 2) == 0
    assert len(slurm.calls('sbatch')) == 2
    assert 'nothing to do' in submit(program, *words).stderr


@pytest.mark.parametrize('option', ['--max-time=5', '--max', '--max-t'])
def test_a_part_must_not_end_early(program, tmp_path, option):
    make_cases(tmp_path, 'case')
    done = submit(program, 'dose', tmp_path / 'case.h5', '-o', tmp_path / 'dose.h5', '--parts', '2', '--dry-run', '--',
                  '--histories', '100', option, '5')
    assert done.returncode == 2
    assert '--max-time is not for a dose in parts' in done.stderr


@pytest.mark.parametrize('name', [b'a\\b', b'a"b', b'a\xff'])
def test_a_folder_that_sbatch_would_not_read_right_is_refused(slurm, program, tmp_path, name):
    cases = make_cases(tmp_path / 'cases', 'c1')
    for dry in (['--dry-run'], []):
        done = submit(program, 'cohort', cases, '-o', tmp_path / os.fsdecode(name), *dry)
        assert done.returncode == 2
        assert done.stderr.count('\n') == 1
    assert not slurm.calls('sbatch')
