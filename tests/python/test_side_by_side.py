"""Eight plans at once on one machine, two cases turn about, with one kernel cache: each has the bits that it has alone."""
import os
import pathlib
import subprocess

from fault_trials import bits
from small_case import PLAN_OPTIONS, write_small_case

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
PLANS = 8


def start(folder, case, plan):
    return subprocess.Popen([SPINEPLAN, '-q', 'plan', folder / f'case{case}.h5', '-o', folder / f'{plan}.h5', *PLAN_OPTIONS])


def test_eight_plans_side_by_side_have_the_bits_of_each_alone(tmp_path):
    alone = []
    for case in range(2):
        write_small_case(tmp_path / f'case{case}.h5', seed=case)
        assert start(tmp_path, case, f'alone{case}').wait(300) == 0
        alone.append(bits(tmp_path / f'alone{case}.h5'))
    assert alone[0] != alone[1]
    runs = [start(tmp_path, i % 2, f'plan{i}') for i in range(PLANS)]
    assert [r.wait(300) for r in runs] == [0] * PLANS
    assert [bits(tmp_path / f'plan{i}.h5') for i in range(PLANS)] == [alone[i % 2] for i in range(PLANS)]
