"""The table of deliverable plans: rows are kept and not planned twice, a failure costs its own row only."""
import pathlib
import sys

import pytest

import try_delivery

# Stands for the program: notes what it is asked, writes a plan of fixed numbers; a case named "bad" fails.
PROGRAM = '''#!{python}
import json, pathlib, sys
import h5py
words = [w for w in sys.argv[1:] if w != '-v']
with open(pathlib.Path(__file__).with_name('calls'), 'a') as f:
    f.write(' '.join(words) + '\\n')
if words[0] == 'plan':
    if 'bad' in pathlib.Path(words[1]).stem:
        sys.exit(3)
    step = {{'objective': 10.0, 'target_d95_gy': 22.0, 'cord_d0.03cc_gy': 16.5}}
    with h5py.File(words[words.index('-o') + 1], 'w') as f:
        f['provenance'] = json.dumps({{'fluence': step, 'apertures': dict(step, target_d95_gy=21.8),
            'last_dose': dict(step, objective=11.0, target_d95_gy=21.78), 'segments': 63, 'mu': 4800.0,
            'delivery_seconds': 240.4}})
        f['evaluation'] = json.dumps({{'prescription': {{'target': 'PTV', 'dose_gy': 24.0, 'fractions': 2}},
            'structures': [{{'name': 'PTV', 'metrics': {{'D10_Gy': 27.0}}}}],
            'limits': [{{'structure': 'Cord', 'metric': 'D0.03cc_Gy', 'value': 17.5, 'unit': 'Gy', 'met': False}}]}})
elif words[0] == 'check':
    sys.exit(1 if 'crooked' in words[1] else 0)
'''


@pytest.fixture
def table(tmp_path, monkeypatch, capsys):
    """Runs the script on cases of these names; returns exit status, what it printed, and what the program was asked."""
    program = tmp_path / 'program'
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)

    def run(*names, uncertainty='2%'):
        calls = tmp_path / 'calls'
        calls.unlink(missing_ok=True)
        paths = [tmp_path / f'{name}.h5' for name in names]
        for p in paths:
            p.touch()
        monkeypatch.setattr(sys, 'argv', ['try-delivery', *map(str, paths), '--work', str(tmp_path / 'work'),
                                          '--spineplan', str(program), '--uncertainty', uncertainty])
        status = try_delivery.main()
        asked = calls.read_text().splitlines() if calls.exists() else []
        return status, capsys.readouterr().out.splitlines()[2:], [a for a in asked if a.startswith('plan ')]

    return run


def test_what_is_lost_is_judged_at_the_same_cord_dose():
    fluence = {'target_d95_gy': 22.0, 'cord_d0.03cc_gy': 17.6}

    assert try_delivery.lost_at_same_cord(fluence, {'target_d95_gy': 20.9, 'cord_d0.03cc_gy': 17.6}) == pytest.approx(0.05)
    assert try_delivery.lost_at_same_cord(fluence, {'target_d95_gy': 19.8, 'cord_d0.03cc_gy': 16.0}) == pytest.approx(0.01)
    assert try_delivery.lost_at_same_cord({'target_d95_gy': 50.0}, {'target_d95_gy': 49.0}) == pytest.approx(0.02)


def test_a_row_tells_what_each_step_reached(table):
    status, rows, _ = table('spine')

    assert status == 0 and len(rows) == 2
    cells = [c.strip() for c in rows[0].strip('|').split('|')]
    assert cells[:9] == ['spine', 'imrt', '10 → 10 → 11', '22.00 → 21.80 → 21.78', '16.50 → 16.50 → 16.50', '1.0 %',
                         'missed: Cord D0.03cc_Gy 17.50 Gy', '63', '4800']
    assert cells[9:11] == ['400', '240']  # 4800 MU for 12 Gy a fraction


def test_rows_that_are_there_are_not_planned_again(table):
    first = table('spine')
    again = table('spine', 'other')

    assert len(first[2]) == 2
    assert again[1][:2] == first[1] and len(again[2]) == 2 and all('other' in a for a in again[2])


def test_other_settings_and_damaged_rows_are_planned_again(table, tmp_path):
    table('spine')
    assert len(table('spine', uncertainty='1%')[2]) == 2
    (tmp_path / 'work' / 'spine-vmat.json').write_text('{"settings"')
    assert [a.split()[a.split().index('--technique') + 1] for a in table('spine', uncertainty='1%')[2]] == ['vmat']


def test_a_failure_costs_its_own_row_and_is_tried_again(table):
    status, rows, asked = table('bad', 'spine')

    assert status == 1 and len(rows) == 2 and all('spine' in r for r in rows) and len(asked) == 4
    assert len(table('bad', 'spine')[2]) == 2


def test_a_plan_that_the_machine_cannot_deliver_is_said(table):
    status, rows, _ = table('crooked')

    assert status == 1 and all('NOT DELIVERABLE' in r for r in rows)


def test_tg119_is_held_to_what_deliverable_plans_reached(tmp_path):
    text = try_delivery.tg119_protocol(pathlib.Path(tmp_path), 'tg119-harder').read_text()

    assert 'at_most: 16.3' in text and 'at_least: 50' in text and 'hard: yes' in text
