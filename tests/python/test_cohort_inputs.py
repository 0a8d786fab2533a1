"""scripts/cohort and scripts/slurm take the place of no file that they read or have not made."""
import os
import subprocess

import pytest

from cohort import task
from cohort.folder import Settings, find_cases
from cohort.keys import Keys
from fake_program import FakeProgram, make_cases


@pytest.fixture
def program(tmp_path):
    return FakeProgram(tmp_path / 'program')


@pytest.mark.parametrize('folder', ['plans', 'doses', 'reports', 'work/c1'])
def test_cases_among_the_results_are_refused(program, tmp_path, folder):
    cases = make_cases(tmp_path / 'study' / folder, 'c1')
    if folder == 'reports':  # a name of a report
        (cases / 'c1.html').hardlink_to(cases / 'c1.h5')
    done = program.cohort(cases, tmp_path / 'study')
    assert done.returncode == 2
    assert 'is read from and' in done.stderr and done.stderr.count('\n') == 1
    assert (cases / 'c1.h5').read_bytes() == b'c1'


def test_a_case_that_links_to_a_result_is_refused(program, tmp_path):
    plan = make_cases(tmp_path / 'out' / 'plans', 'c1') / 'c1.h5'
    (tmp_path / 'cases').mkdir()
    (tmp_path / 'cases' / 'c1.h5').symlink_to(plan)
    done = program.cohort(tmp_path / 'cases', tmp_path / 'out')
    assert done.returncode == 2
    assert 'would be written over' in done.stderr
    assert plan.read_bytes() == b'c1'


@pytest.mark.parametrize('options', [['--earlier', '{}'], ['--earlier={}']])
def test_a_result_that_an_option_names_is_refused(program, tmp_path, options):
    cases, out = make_cases(tmp_path / 'cases', 'c1'), tmp_path / 'out'
    assert program.cohort(cases, out).returncode == 0
    plan = out / 'plans' / 'c1.h5'
    before = plan.read_bytes()
    done = program.cohort(cases, out, plan=[option.format(plan) for option in options])
    assert done.returncode == 2
    assert f'{plan} is read from and would be written over' in done.stderr
    assert plan.read_bytes() == before


@pytest.mark.parametrize('name', ['plans/c1.h5', 'work/c1/notes.txt'])
def test_a_file_that_was_not_made_here_stays_and_fails_its_case(program, tmp_path, name):
    make_cases(tmp_path / 'cases', 'c1')
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text('mine')
    program.set_exits(2, 2)
    for _ in range(2):  # the failure itself is no claim
        done = program.cohort(tmp_path / 'cases', tmp_path)
        assert done.returncode == 1
        assert 'was not made here' in done.stderr
    assert (tmp_path / name).read_text() == 'mine'
    assert program.calls('plan') == []


@pytest.mark.parametrize('name', ['settings.json', 'cohort.csv', 'cohort.html'])
def test_a_folder_with_files_of_other_use_is_refused(program, tmp_path, name):
    make_cases(tmp_path / 'cases', 'c1')
    (tmp_path / name).write_text('{"editor": "mine"}')
    done = program.cohort(tmp_path / 'cases', tmp_path)
    assert done.returncode == 2
    assert f'{name} is there and was not made here' in done.stderr
    assert (tmp_path / name).read_text() == '{"editor": "mine"}'


def test_what_a_damaged_record_may_have_named_is_made_again(program, tmp_path):
    cases, out = make_cases(tmp_path / 'cases', 'c1'), tmp_path / 'out'
    assert program.cohort(cases, out).returncode == 0
    (out / 'records' / 'c1.json').write_text('{')
    assert program.cohort(cases, out).returncode == 0
    assert len(program.calls('plan')) == 2


def test_a_result_whose_maker_was_killed_before_it_could_say_so_is_known(program, tmp_path, monkeypatch):
    cases, out = make_cases(tmp_path / 'cases', 'c1'), tmp_path / 'out'
    settings = Settings(find_cases(cases, out), report=False, program=str(program.path))
    place, = settings.places(out)

    def killed(_folder):  # right after the result got its name
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(task, 'flush_folder', killed)
        with pytest.raises(KeyboardInterrupt):
            task.run_case(settings, Keys(settings), place)
    assert place.result['plan'].exists()
    assert task.run_case(settings, Keys(settings), place)['status'] == 'done'
    place.result['plan'].write_bytes(b'cut')
    assert task.run_case(settings, Keys(settings), place)['status'] == 'done'
    assert len(program.calls('plan')) == 2


@pytest.mark.parametrize('output, said', [
    ('case.h5', 'is read from'), ('plan.h5', 'is read from'), ('link.h5', 'is read from'), ('machine.yaml', 'is read from'),
    ('folder', 'not a regular file'), ('pipe', 'not a regular file')])
def test_a_merged_dose_takes_the_place_of_no_input(program, tmp_path, output, said):
    make_cases(tmp_path, 'case', 'plan')
    (tmp_path / 'machine.yaml').write_text('name: x\n')
    (tmp_path / 'link.h5').symlink_to('plan.h5')
    (tmp_path / 'folder').mkdir()
    os.mkfifo(tmp_path / 'pipe')
    done = subprocess.run(
        program.command('submit_slurm.py', 'dose', 'case.h5', 'plan.h5', '-o', output, '--parts', 2, '--dry-run', '--',
                        '--histories', 100, '--machine', 'machine.yaml'),
        capture_output=True, text=True, check=False, cwd=tmp_path, env=program.environment())
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count('\n') == 1
