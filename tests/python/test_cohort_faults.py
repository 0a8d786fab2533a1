"""What may go wrong around a cohort, without a case being planned: names, options, keys, signals, jobs that were lost."""
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'scripts' / 'python'))

import slurm_task  # noqa: E402
import submit_slurm  # noqa: E402
from case_file import BadInput  # noqa: E402
from cohort import slurm, table, task  # noqa: E402
from make_cohort import make_folder  # noqa: E402
from cohort.folder import Place, Settings, find_cases, one_line, only_one, read_json, read_record, write_json  # noqa: E402
from cohort.keys import Keys  # noqa: E402
from cohort.options import check_options  # noqa: E402
from cohort.program import Stop, run_program  # noqa: E402

NO_CASE = {'case_sha256': '', 'case_protocol': ''}


def program(folder, text):
    path = folder / 'program'
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return str(path)


def test_a_linked_case_has_the_name_of_the_link(tmp_path):
    for n in '12':
        (tmp_path / f'store{n}').mkdir()
        (tmp_path / f'store{n}' / 'case.h5').write_bytes(n.encode())
    links = tmp_path / 'links'
    links.mkdir()
    for n in '12':
        (links / f'patient{n}.h5').symlink_to(f'../store{n}/case.h5')
    cases = find_cases(links, tmp_path / 'out')
    assert [p.name for p in Settings(cases).places(tmp_path / 'out')] == ['patient1', 'patient2']
    with pytest.raises(BadInput, match='same name'):
        Settings(['a/case.h5', 'b/case.h5']).places(tmp_path)


@pytest.mark.parametrize('option', ['-o/x', '-o', '--outp', '--output=x', '--dev', '--js', '--require', '--resu', '-h'])
def test_own_options_are_refused_in_any_spelling(option):
    with pytest.raises(BadInput, match='is not for the options'):
        check_options([option], 'plan')


def test_other_options_are_not_refused():
    check_options(['--grid-mm', '-5', '--protocol', 'x', '--robust', '--particle=photon', '--optimum'], 'plan')


@pytest.mark.parametrize('absolute', [True, False])
def test_the_key_has_files_after_an_equals_sign_and_files_that_they_name(tmp_path, absolute):
    leaf, machine = tmp_path / 'leaf.yaml', tmp_path / 'machine.yaml'
    machine.write_text(f'name: x\nmlc: {leaf if absolute else leaf.name}  # leaves\n')
    keys = []
    for text in 'ab':
        leaf.write_text(text)
        keys.append(Keys(Settings([], [f'--machine={machine}'], program=program(tmp_path, ''))).of('plan', NO_CASE))
    machine.write_text('name: y\n')
    keys.append(Keys(Settings([], [f'--machine={machine}'], program=program(tmp_path, ''))).of('plan', NO_CASE))
    assert len(set(keys)) == 3


@pytest.mark.parametrize('code, stays', [('kill -9 $$', True), ('exit 3', True), ('exit 4', True), ('exit 2', False)])
def test_only_a_refused_checkpoint_is_dropped(tmp_path, code, stays):
    place = Place(tmp_path, 'case.h5', '00001')
    place.work.mkdir(parents=True)
    place.log.parent.mkdir()
    checkpoint = pathlib.Path(str(place.working['part']) + '.checkpoint')
    checkpoint.write_text('x')
    settings = Settings(['case.h5'], [], [], parts=1, retries=1, program=program(tmp_path, code + '\n'))
    with pytest.raises(task.Failed):
        task.attempt(settings, place, 'part', [], Stop(), lambda line: None)
    assert checkpoint.exists() == stays


def test_without_retries_a_damaged_checkpoint_costs_no_try(tmp_path):
    place = Place(tmp_path, 'case.h5', '00001')
    place.work.mkdir(parents=True)
    place.log.parent.mkdir()
    checkpoint = pathlib.Path(f'{place.working["part"]}.checkpoint')
    checkpoint.write_text('x')
    settings = Settings(['case.h5'], [], [], parts=1, retries=0,
                        program=program(tmp_path, f'echo >> {tmp_path}/tries; [ ! -e {checkpoint} ] || exit 2\n'))
    task.attempt(settings, place, 'part', [], Stop(), lambda line: None)
    assert (tmp_path / 'tries').read_text() == '\n\n'
    checkpoint.write_text('x')
    settings.program = program(tmp_path, f'echo >> {tmp_path}/tries; touch {checkpoint}; exit 2\n')
    with pytest.raises(task.Failed):  # one that is refused every time is not dropped for ever
        task.attempt(settings, place, 'part', [], Stop(), lambda line: None)
    assert (tmp_path / 'tries').read_text() == '\n' * 4


def test_who_waits_for_a_case_can_be_stopped(tmp_path):
    case = tmp_path / 'case.h5'
    case.write_bytes(b'x')
    settings, stop, records = Settings([str(case)], program=program(tmp_path, '')), Stop(), []
    place, = settings.places(tmp_path / 'out')
    with only_one(place.lock) as mine:
        assert mine
        thread = threading.Thread(target=lambda: records.append(task.run_case(settings, Keys(settings), place, (), stop)),
                                  daemon=True)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        stop.ask()
        thread.join(10)
        assert [r['status'] for r in records] == ['interrupted']
        for _ in range(4):  # nor is it a case that the time limit stops without an advance
            slurm_task.count_time_limit(records[0], place, 60)
        assert not place.record.exists()


def test_a_child_ends_when_its_log_cannot_be_written(tmp_path):
    place, stop, started = Place(tmp_path, 'case.h5'), Stop(), []
    place.log.parent.mkdir()

    def full(line):
        started.append(int(line))
        raise OSError(28, 'No space left on device')
    with pytest.raises(OSError, match='No space'):
        run_program([program(tmp_path, 'echo $$ >&2; exec sleep 60\n')], place, stop, signal.SIGTERM, full)
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
    assert not stop.children


@pytest.mark.parametrize('write', [
    lambda out, settings: table.write_tables(out, settings, Keys(settings)),
    lambda out, settings: write_json(out / 'cohort.csv', {'a': 'x' * 2000})], ids=['table', 'record'])
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, write):
    (tmp_path / 'cohort.csv').write_text('before')
    settings = Settings([str(tmp_path / f'{i}.h5') for i in range(100)], program=program(tmp_path, ''))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError) as told:
            write(tmp_path, settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert told.value.filename == str(tmp_path / 'cohort.csv')
    assert (tmp_path / 'cohort.csv').read_text() == 'before'
    assert not list(tmp_path.glob('.cohort*'))


def test_a_file_and_its_folder_are_flushed_before_the_name_counts(tmp_path, monkeypatch):
    flushed, name = [], tmp_path / 'a'
    monkeypatch.setattr(os, 'fsync', lambda handle: flushed.append((os.readlink(f'/proc/self/fd/{handle}'), name.exists())))
    write_json(name, {})
    (file, before), folder = flushed
    assert pathlib.Path(file).parent == tmp_path and not before
    assert folder == (str(tmp_path), True)


def test_an_interrupted_submission_leaves_no_array(tmp_path, monkeypatch):
    taken = []

    def sbatch(_script, path, *_, **__):
        if path.name == 'gather.sh':
            raise KeyboardInterrupt
        return '7'
    monkeypatch.setattr(slurm, 'sbatch', sbatch)
    monkeypatch.setattr(slurm, 'take_back', taken.append)
    settings = Settings(['case.h5'], slurm={'cases_per_task': 1, 'name': 'x', 'grace': 60})
    with pytest.raises(KeyboardInterrupt):
        slurm.submit(tmp_path, settings, [0], 1)
    assert taken == [['7']]


def test_a_stop_in_a_signal_handler_waits_for_nothing(monkeypatch):
    stop, real = Stop(), subprocess.Popen

    def popen(*args, **options):
        child = real(*args, **options)
        stop.ask()  # as a handler does in the thread that starts the child
        return child
    monkeypatch.setattr(subprocess, 'Popen', popen)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(stop.start(['sleep', '20'], signal.SIGTERM).wait()), daemon=True)
    thread.start()
    thread.join(10)
    assert codes == [-signal.SIGTERM]


@pytest.mark.parametrize('advanced, end, status', [(False, 0, 'failed'), (True, 0, 'interrupted'), (False, 4e9, 'interrupted')],
                         ids=['no advance', 'advance', 'pre-emption'])
def test_the_time_limit_does_not_requeue_for_ever(tmp_path, monkeypatch, advanced, end, status):
    place = Place(tmp_path, 'case.h5')
    place.record.parent.mkdir()
    monkeypatch.setenv('SLURM_JOB_END_TIME', str(int(end)))
    record = {'timed_out': 0}
    for _ in range(3):
        record |= {'status': 'interrupted', 'advanced': advanced}
        slurm_task.count_time_limit(record, place, 60)
    assert record['status'] == status
    if status == 'failed':
        assert 'not done within the time limit 3 times' in read_json(place.record)['error']


def test_what_a_case_raises_fails_it_and_requeues_nothing(tmp_path, monkeypatch):
    (tmp_path / 'records').mkdir()
    settings = Settings(['case.h5'], program=program(tmp_path, ''), slurm={'cases_per_task': 1})
    settings.save(tmp_path)

    def full(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(slurm_task, 'run_case', full)
    monkeypatch.setattr(slurm_task, 'requeue', lambda: pytest.fail('went back to the queue'))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert slurm_task.run(tmp_path, 0) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert 'No space left' in read_json(tmp_path / 'records' / 'case.json')['error']


def test_a_lost_gathering_is_submitted_alone(tmp_path, monkeypatch):
    settings, said = Settings(['case.h5'], slurm={'cases_per_task': 1, 'name': 'x', 'grace': 60}), []
    settings.program = program(tmp_path, '')
    monkeypatch.setattr(submit_slurm, 'cohort_settings', lambda *_: (settings, tmp_path))
    monkeypatch.setattr(submit_slurm, 'slurm_settings', lambda _: settings.slurm)
    monkeypatch.setattr(submit_slurm, 'is_done', lambda *_: True)
    monkeypatch.setattr(submit_slurm.shutil, 'which', lambda _: 'sbatch')
    monkeypatch.setattr(slurm, 'sbatch', lambda script, path, *options, **_: said.append((path.name, options)) or '7')
    args = SimpleNamespace(kind='cohort', dry_run=False, retries=2)
    write_json_of = tmp_path / 'records'
    write_json_of.mkdir()
    write_json(write_json_of / 'case.json', {'status': 'done'})
    assert submit_slurm.run(args, []) == 0
    assert said == [('gather.sh', ())]
    table.write_tables(tmp_path, settings, Keys(settings))
    assert submit_slurm.run(args, []) == 0
    assert len(said) == 1
    os.unlink(tmp_path / 'cohort.html')
    assert submit_slurm.run(args, []) == 0
    assert len(said) == 2


@pytest.mark.parametrize('damage', [{'plan': 5}, {'result': []}, {'error': 5}, {'attempts': 'x'}])
def test_a_damaged_record_counts_as_none(tmp_path, damage):
    write_json(tmp_path / 'record.json', {'status': 'done'} | damage)
    assert read_record(tmp_path / 'record.json') is None


def test_a_name_that_is_not_utf8_fails_its_case(tmp_path):
    (tmp_path / os.fsdecode(b'a\xff.h5')).write_bytes(b'x')
    settings = Settings(find_cases(tmp_path, tmp_path / 'out'), program=program(tmp_path, ''))
    place, = settings.places(tmp_path / 'out')
    record = task.run_case(settings, Keys(settings), place)
    assert record['status'] == 'failed'
    assert 'not UTF-8' in record['error']
    table.write_tables(tmp_path / 'out', settings, Keys(settings))


def test_line_ends_in_names_break_no_line():
    assert one_line('a\nb') == 'a\\nb'


@pytest.mark.parametrize('script, options, said', [
    ('make_cohort.py', ['--dose', '"unbalanced'], 'no closing quotation'), ('submit_slurm.py', ['--sbatch=foo'], '--OPTION=X')])
def test_wrong_use_is_a_sentence(tmp_path, script, options, said):
    (tmp_path / 'case.h5').write_bytes(b'x')
    kind = ['cohort'] if script == 'submit_slurm.py' else []
    done = subprocess.run([sys.executable, str(ROOT / 'scripts' / 'python' / script), *kind, str(tmp_path), '-o',
                           str(tmp_path / 'out'), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count('\n') == 1


def test_a_file_in_place_of_the_results_is_named(tmp_path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(BadInput, match='out is a file'):
        make_folder(tmp_path / 'out')
