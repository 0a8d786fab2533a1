"""The table of plan quality tells which goals are missed, and the target's weight buys coverage under the same limits."""
import json

import h5py
import pytest

import make_quality
from make_quality import GOOD, MUST, evaluation, fails, row
from test_robustness import KEPT, copy_with, run


def an_evaluation(**changes):
    values = {'V100_pct': 92.0, 'D95_Gy': 24.1} | changes
    return {'prescription': {'target': 'PTV'}, 'paddick_ci': 0.85, 'gradient_index': 3.9, 'hot_spot_pct': 134.0,
            'fall_off_pct_per_mm': 14.2, 'structures': [
                {'name': 'GTV', 'role': 'gtv', 'metrics': {'D98_Gy': 20.0}}, {'name': 'PTV', 'role': 'ptv', 'metrics': values},
                {'name': 'PRV', 'role': 'prv', 'metrics': {'D0.03cc_Gy': 16.9}}],
            'limits': [{'structure': 'PRV', 'metric': 'D0.03cc_Gy', 'met': True},
                       {'structure': 'Heart', 'metric': 'D15cc_Gy', 'met': False}]}


def test_a_row_names_the_goals_and_limits_that_are_missed():
    text = row('thoracic-1', 'sc24-24gy-2fx', an_evaluation(V100_pct=79.0))
    assert text.startswith('| thoracic-1 | sc24-24gy-2fx | 16.90 | 79.0 | 24.10 | 20.0 | 0.85 | 3.90 | 14.2 | 134 | – |')
    assert 'Heart D15cc_Gy' in text and 'PRV D0.03cc_Gy' not in text
    assert text.endswith('| below "must": PTV V100; not "good": PRV D0.03cc, PTV V100, GTV D98, GI |')
    assert 'must' not in row('thoracic-1', 'sbrt-30gy-3fx', an_evaluation())  # the goals are for 24/2


def test_values_at_their_goals_are_good_and_absent_ones_are_not_asked_for():
    assert fails(GOOD, GOOD) == [] and fails(GOOD, MUST) == []
    assert fails(MUST, GOOD) == list(GOOD)
    assert fails(GOOD | {'GTV D98': None}, GOOD) == []


def test_what_is_there_is_not_planned_again(tmp_path):
    (tmp_path / 'postop.postop-30gy-3fx.json').write_text('{"kept": 1}')
    assert evaluation('postop', 'postop-30gy-3fx', tmp_path, '/no/such/program', ()) == {'kept': 1}


def test_a_row_that_fails_is_told_and_tried_again(tmp_path, monkeypatch, capsys):
    """A program that fails once: its row has the reason, the other rows go on, and a rerun fills what is missing."""
    fake = tmp_path / 'spineplan'
    fake.write_text('#!/bin/sh\necho "$*" >> ' + f'{tmp_path}/calls\n'
                    'case "$*" in *list-protocols*) echo sbrt-30gy-3fx sc24-24gy-2fx; exit 0;; esac\n'
                    f'case "$*" in *sc24*) [ -e {tmp_path}/well ] || {{ echo "plan: no memory" >&2; exit 3; }};; esac\n'
                    f'cat {tmp_path}/evaluation.json\n')
    fake.chmod(0o755)
    (tmp_path / 'evaluation.json').write_text(json.dumps(an_evaluation() | {'provenance': {'uncertainty': 0.01, 'mu': 4810.4}}))
    (tmp_path / 'neck.h5').write_text('')
    monkeypatch.setattr(make_quality, 'program_path', lambda: str(fake))
    words = ['quality', '-o', str(tmp_path / 'out'), '--case', f'neck={tmp_path}/neck.h5', '--only', 'neck', '--technique', 'imrt']
    monkeypatch.setattr('sys.argv', words + ['--minutes', '0'])
    assert make_quality.main() == 1 and capsys.readouterr().out.count('not planned yet') == 2
    monkeypatch.setattr('sys.argv', words)
    assert make_quality.main() == 1
    out = capsys.readouterr().out
    assert '| plan: no memory |' in out and '| neck | sbrt-30gy-3fx | 16.90 |' in out and '| 134 | 4810 | 1.0 |' in out
    (tmp_path / 'well').write_text('')
    assert make_quality.main() == 0
    calls = [line for line in (tmp_path / 'calls').read_text().splitlines() if ' plan ' in f' {line} ']
    assert len(calls) == 3 and all('--technique imrt' in line for line in calls)  # the good row only once
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['neck.sbrt-30gy-3fx.imrt.json', 'neck.sc24-24gy-2fx.imrt.json']


@pytest.mark.parametrize('word', ['neck', 'neck=/no/such/file', 'lumbar=x.h5', 'a b=x.h5'])
def test_a_case_that_cannot_be_is_refused(word):
    with pytest.raises(make_quality.BadInput):
        make_quality.own_cases([word])


def test_an_unknown_case_is_refused():
    with pytest.raises(make_quality.BadInput, match='no case cervical'):
        list(make_quality.chosen('cervical', 'spineplan'))


def test_weight_on_the_target_buys_coverage_under_the_same_limits(tmp_path):
    assert run('phantom', 'thoracic-spine', '--voxel-mm', '4x4x4', '-o', tmp_path / 'whole.h5').returncode == 0
    copy_with(tmp_path / 'whole.h5', tmp_path / 'case.h5', KEPT)
    covered = {}
    for weight in (1, 8):
        done = run('plan', tmp_path / 'case.h5', '-o', tmp_path / 'plan.h5', '--grid-mm', 4, '--beams', 'around', '--bixel-mm',
                   8, '--target-weight', weight, '--json', '--require-limits')
        assert done.returncode == 0, done.stderr
        e = json.loads(done.stdout)
        covered[weight] = next(s for s in e['structures'] if s['name'] == 'PTV')['metrics']['V100_pct']
    assert covered[8] > covered[1] + 1
    with h5py.File(tmp_path / 'plan.h5') as f:
        assert len(f['beams']) == 13
