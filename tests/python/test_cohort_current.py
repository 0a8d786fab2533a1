"""What scripts/cohort shows and keeps is of the case, the options and the program of now."""
import csv
import html
import json
import os
import signal
import subprocess
import time

import h5py
import pytest

from fake_program import FakeProgram, make_cases


@pytest.fixture
def program(tmp_path):
    return FakeProgram(tmp_path / 'program')


@pytest.fixture
def cases(tmp_path):
    return make_cases(tmp_path / 'cases', 'c1', 'c2')


def table(out):
    with open(out / 'cohort.csv', newline='') as f:
        return {row['Case']: row for row in csv.DictReader(f)}


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def stopped(program, cases, out, *options, plan=()):
    """The same command, ended by SIGTERM while it makes a plan."""
    program.calls('plan')
    program.wait()
    with subprocess.Popen(program.command('make_cohort.py', cases, '-o', out, '--no-report', *options, '--', *plan),
                          stderr=subprocess.PIPE, text=True, env=program.environment()) as process:
        wait_until(lambda: 'plan' in (program.folder / 'calls').read_text())
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    program.wait(False)
    return process.returncode, said


def test_a_dose_is_made_with_the_machine_and_leaves_of_its_plan(program, cases, tmp_path):
    for name in ('machine', 'other', 'leaves'):
        (tmp_path / f'{name}.yaml').write_text(f'name: {name}\n')
    machine, other, leaves = (str(tmp_path / f'{name}.yaml') for name in ('machine', 'other', 'leaves'))
    plan = ['--machine', machine, f'--ml={leaves}']
    assert program.cohort(cases, tmp_path / 'out', '--dose', '--seed 2', plan=plan).returncode == 0
    for call in program.calls('dose'):
        assert f' --machine {machine} --mlc {leaves} --seed 2 ' in call
    assert program.cohort(cases, tmp_path / 'out', '--dose', f'--mach {other}', plan=plan).returncode == 0
    for call in program.calls('dose'):
        assert machine not in call
        assert f' --mlc {leaves} --mach {other} ' in call


def test_results_of_an_earlier_plan_go_with_it(program, cases, tmp_path):
    out = tmp_path / 'out'
    assert program.cohort(cases, out, '--dose', '').returncode == 0
    # as if there were a report of this plan; the page links what the record names
    record = json.loads((out / 'records' / 'c1.json').read_text())
    (out / 'reports').mkdir(exist_ok=True)
    (out / 'reports' / 'c1.html').write_text('of 24 Gy')
    (out / 'records' / 'c1.json').write_text(json.dumps(record | {'report': record['plan']}))
    program.set_plan(20.0)
    assert program.cohort(cases, out, plan=['--dose-gy', '20']).returncode == 0
    assert table(out)['c1']['Prescription (Gy)'] == '20'
    assert table(out)['c1']['MC sigma (%)'] == ''
    assert not (out / 'reports' / 'c1.html').exists()
    assert list((out / 'doses').iterdir()) == []
    (out / 'reports' / 'c1.html').write_text('of something else')
    assert program.cohort(cases, out, plan=['--dose-gy', '20']).returncode == 0
    assert 'href' not in (out / 'cohort.html').read_text()


def test_a_dose_that_is_not_asked_for_stays_with_its_plan(program, cases, tmp_path):
    out = tmp_path / 'out'
    assert program.cohort(cases, out, '--dose', '').returncode == 0
    assert program.cohort(cases, out).returncode == 0
    assert table(out)['c1']['MC sigma (%)'] == '0.7'
    assert program.cohort(cases, out, '--dose', '').returncode == 0
    assert len(program.calls('plan')) == len(program.calls('dose')) == 2
    program.set_exits(2, 2)
    assert program.cohort(cases, out, '--dose', '--seed 3').returncode == 1
    assert table(out)['c1']['Prescription (Gy)'] == '24'
    assert table(out)['c1']['MC sigma (%)'] == ''


def test_rows_of_earlier_options_are_not_finished(program, cases, tmp_path):
    out = tmp_path / 'out'
    program.set_exits(0, 2)
    assert program.cohort(cases, out).returncode == 1
    assert [row['Status'] for row in table(out).values()] == ['done', 'failed']
    code, said = stopped(program, cases, out, plan=['--dose-gy', '18'])
    assert code == 4, said
    rows = table(out)
    assert {rows['c1']['Status'], rows['c2']['Status']} == {'interrupted', 'not finished'}
    for row in rows.values():
        assert row['Prescription (Gy)'] == row['Error'] == ''
    assert '0 planned' in said


def test_the_protocol_that_a_case_names_is_in_its_key(program, tmp_path):
    protocol = tmp_path / 'own.yaml'
    protocol.write_text('name: a\n')
    (tmp_path / 'cases').mkdir()
    for name, named in (('c1', str(protocol)), ('c2', 'sc24-24gy-2fx')):
        with h5py.File(tmp_path / 'cases' / f'{name}.h5', 'w') as f:
            f.create_group('prescription').attrs['protocol'] = named
    for _ in range(2):
        assert program.cohort(tmp_path / 'cases', tmp_path / 'out').returncode == 0
        assert len(program.calls('plan')) == (0 if _ else 2)
    protocol.write_text('name: b\n')
    assert program.cohort(tmp_path / 'cases', tmp_path / 'out').returncode == 0
    assert ['c1.h5' in call for call in program.calls('plan')] == [True]


def test_a_file_that_the_dose_names_is_not_the_plans(program, cases, tmp_path):
    (tmp_path / 'machine.yaml').write_text('a')
    for text in 'ab':
        (tmp_path / 'machine.yaml').write_text(text)
        assert program.cohort(cases, tmp_path / 'out', '--dose', f'--machine {tmp_path}/machine.yaml').returncode == 0
    assert len(program.calls('plan')) == 2
    assert len(program.calls('dose')) == 4


LIMIT = {'structure': 'Cord', 'metric': 'D0.03cc_Gy', 'limit': 17.0, 'unit': 'Gy'}


@pytest.mark.parametrize('evaluation, limits, missed', [
    ({'limits': [LIMIT | {'value': 16.0, 'met': True}]}, '1 of 1 met', ''),
    ({'limits': [LIMIT | {'value': 17.5, 'met': False}]}, '0 of 1 met', 'Cord D0.03cc_Gy 17.50 against 17 Gy'),
    ({'limits': [], 'not_judged': [LIMIT | {'counts_as_missed': True}, LIMIT | {'counts_as_missed': False}]}, '0 of 1 met',
     'Cord D0.03cc_Gy not known against 17 Gy'),
    ({'limits': [LIMIT | {'value': 16.0, 'met': True}],
      'robust': {'limits': [LIMIT | {'worst': 18.0, 'worst_scenario': '+x', 'met': False}], 'all_limits_met': False}},
     '1 of 2 met', 'Cord D0.03cc_Gy 18.00 against 17 Gy (scenario +x)'),
    ({'limits': [LIMIT | {'value': 16.0, 'met': True}],
      'reirradiation': {'all_rules_met': False, 'rules': [
          {'text': "new course's share", 'value': 61.0, 'limit': 50.0, 'unit': '%', 'met': False},
          {'text': 'months', 'value': None, 'limit': 5.0, 'unit': 'months', 'met': None}]}},
     '1 of 2 met', "new course's share 61.00 against 50 %")], ids=['met', 'missed', 'not judged', 'scenario', 'second course'])
def test_the_table_shows_all_that_is_missed(program, tmp_path, evaluation, limits, missed):
    cases, out = make_cases(tmp_path / 'cases', 'c1'), tmp_path / 'out'
    program.set_plan(**evaluation)
    program.set_exits(1 if missed else 0)  # as the program does where a hard limit is missed
    done = program.cohort(cases, out)
    assert done.returncode == 0, done.stderr
    row = table(out)['c1']
    assert (row['Status'], row['Limits'], row['Missed']) == ('done', limits, missed)
    page = (out / 'cohort.html').read_text()
    for text in (f'<tr class="{"missed" if missed else "met"}">', f'<td class="wide">{limits}</td>', html.escape(missed),
                 '<td class="n">1.2</td>', '<td class="wide">fake-0 &amp; more</td>'):
        assert text.replace('&#x27;', '&#39;') in page
    assert f'{0 if missed else 1} of 1 judged meet all limits' in done.stderr


@pytest.mark.parametrize('exits, status', [((3, 4, 0), 'done'), ((3, 4, 3), 'failed'), ((2,), 'failed')])
def test_what_the_device_or_a_signal_ended_is_tried_again(program, tmp_path, exits, status):
    cases, out = make_cases(tmp_path / 'cases', 'c1'), tmp_path / 'out'
    program.set_exits(*exits)
    assert program.cohort(cases, out).returncode == (status == 'failed')
    assert table(out)['c1']['Status'] == status
    assert len(program.calls('plan')) == len(exits)
    program.set_exits()
    assert program.cohort(cases, out).returncode == 0
    assert json.loads((out / 'records' / 'c1.json').read_text())['attempts'] == (1 if status == 'done' else 2)


def test_a_record_left_running_keeps_when_and_where(program, tmp_path):
    cases, out = make_cases(tmp_path / 'cases', 'c1'), tmp_path / 'out'
    assert program.cohort(cases, out).returncode == 0
    path = out / 'records' / 'c1.json'
    record = json.loads(path.read_text()) | {'status': 'running', 'host': 'node7', 'finished_utc': '2020-01-01T00:00:00Z'}
    path.write_text(json.dumps(record))
    assert program.cohort(cases, out).returncode == 0
    row = table(out)['c1']
    assert (row['Status'], row['Host'], row['Finished (UTC)']) == ('done', 'node7', '2020-01-01T00:00:00Z')
    del record['finished_utc']
    path.write_text(json.dumps(record))
    assert program.cohort(cases, out).returncode == 0
    assert table(out)['c1']['Finished (UTC)']
    assert len(program.calls('plan')) == 1


def test_names_that_might_collide_and_capital_letters(program, tmp_path):
    cases = make_cases(tmp_path / 'cases', 'x', 'x.lock')
    (cases / 'Big.H5').write_bytes(b'b')
    assert program.cohort(cases, tmp_path / 'out').returncode == 0
    assert {row['Status'] for row in table(tmp_path / 'out').values()} == {'done'}
    assert set(table(tmp_path / 'out')) == {'x', 'x.lock', 'Big'}
    (cases / 'x.H5').write_bytes(b'x')
    assert 'same name' in program.cohort(cases, tmp_path / 'out').stderr


def test_all_devices_work_and_each_on_several_cases(program, tmp_path):
    cases = make_cases(tmp_path / 'cases', *(f'c{i}' for i in range(4)))
    program.set_devices(3)
    for options, devices in ((['--device', '0,2'], {'0', '2'}), (['--jobs', '2'], {'0', '1', '2'})):
        done = program.cohort(cases, tmp_path / f'out{len(devices)}', *options)
        assert done.returncode == 0
        calls = program.calls('plan')
        assert sorted(call.split()[1][-5:] for call in calls) == [f'c{i}.h5' for i in range(4)]
        assert {call.split()[-1] for call in calls} == devices
        assert [line.split(':')[1] for line in done.stderr.splitlines()[:-1]] == [f' {i + 1} of 4' for i in range(4)]


def test_nobody_has_to_read_what_is_said(program, tmp_path):
    cases = make_cases(tmp_path / 'cases', *(f'c{i}' for i in range(3)))
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(program.command('make_cohort.py', cases, '-o', tmp_path / 'out', '--no-report'), stderr=writes,
                          check=False, timeout=60, env=program.environment())
    os.close(writes)
    assert done.returncode == 0
    assert len(list((tmp_path / 'out' / 'plans').iterdir())) == 3


def test_a_table_that_cannot_be_written_is_no_wrong_use(program, cases, tmp_path):
    assert program.cohort(cases, tmp_path / 'out').returncode == 0
    (tmp_path / 'out' / 'cohort.csv').unlink()
    (tmp_path / 'out' / 'cohort.csv').mkdir()
    done = program.cohort(cases, tmp_path / 'out')
    assert done.returncode == 3
    assert 'out/cohort.csv' in done.stderr.splitlines()[-1]
