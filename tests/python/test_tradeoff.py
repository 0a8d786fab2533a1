"""The front between cord and target: several plans from one matrix, each a plan file. A coarse grid keeps it quick."""
import json
import sys

import pytest

import plot_tradeoff
from test_robustness import KEPT, copy_with, run


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tradeoff')
    assert run('phantom', 'thoracic-spine', '--voxel-mm', '4x4x4', '-o', folder / 'whole.h5').returncode == 0
    copy_with(folder / 'whole.h5', folder / 'case.h5', KEPT)
    done = run('tradeoff', folder / 'case.h5', '-o', folder / 'front', '--plans', 3, '--to', '50%', '--grid-mm', 4,
               '--beams', '120,150,180,210,240', '--json')
    assert done.returncode == 0, done.stderr
    (folder / 'said.json').write_text(done.stdout)
    return folder


def test_less_for_the_cord_is_less_for_the_target(folder):
    front = json.loads((folder / 'said.json').read_text())
    assert front == json.loads((folder / 'front' / 'tradeoff.json').read_text())
    plans = front['plans']
    assert [p['share'] for p in plans] == pytest.approx([1.0, 0.75, 0.5])
    for p in plans:
        prv = next(limit for limit in p['limits'] if limit['structure'] == 'SpinalCord_PRV02')
        assert prv['protocol'] == 17.0 and prv['limit'] == pytest.approx(17.0 * p['share'])
        assert prv['value'] <= prv['limit'] + 0.005  # the limit that was asked for, as the evaluation judges it
        assert prv['value'] > prv['limit'] - 0.6     # and no tighter than that
    coverage = [p['D95_Gy'] for p in plans]
    assert coverage[0] > coverage[1] + 0.2 and coverage[1] > coverage[2] + 0.2


def test_each_is_a_plan_that_evaluates_as_the_front_says(folder):
    for p in json.loads((folder / 'said.json').read_text())['plans']:
        done = run('evaluate', folder / 'front' / p['file'], '--json')
        assert done.returncode == 0, done.stderr
        evaluation = json.loads(done.stdout)
        metrics = {s['name']: s['metrics'] for s in evaluation['structures']}
        assert metrics['PTV']['V100_pct'] == pytest.approx(p['V100_pct'], abs=1e-4)
        assert evaluation['provenance']['limit_share'] == pytest.approx(p['share'])


def test_the_first_is_as_good_as_a_plan_of_its_own(folder):
    done = run('plan', folder / 'case.h5', '-o', folder / 'plan.h5', '--grid-mm', 4, '--beams',
               '120,150,180,210,240', '--bixel-mm', 5, '--target-weight', 1, '--json')
    metrics = {s['name']: s['metrics'] for s in json.loads(done.stdout)['structures']}
    first = json.loads((folder / 'said.json').read_text())['plans'][0]
    # the ends of a front are rougher, by less than its plans lie apart
    assert first['V100_pct'] > metrics['PTV']['V100_pct'] - 1.5


def test_the_front_is_drawn(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['tradeoff', str(folder / 'front'), '-o', str(folder / 'front.png')])
    assert plot_tradeoff.main() == 0
    assert (folder / 'front.png').read_bytes().startswith(b'\x89PNG')
    monkeypatch.setattr(sys, 'argv', ['tradeoff', str(folder), '-o', str(folder / 'no.png')])
    assert plot_tradeoff.main() == 2
    assert 'tradeoff.json' in capsys.readouterr().err


def test_wrong_use_is_a_sentence(folder):
    for arguments, sentence in ((('--from', '60%', '--to', '90%'), 'expected more than'),
                                (('--plans', '1'), 'no good value'), (('--to', '0.5'), 'no good value'),
                                (('--structure', 'Heart'), 'no hard dose limit on Heart')):
        done = run('tradeoff', folder / 'case.h5', '-o', folder / 'no', *arguments)
        assert done.returncode == 2 and sentence in done.stderr
        assert not (folder / 'no').exists()
