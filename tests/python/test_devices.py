"""Two devices in one process give the bits of one, also when the run is stopped in between."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from fault_trials import bits
from small_case import PLAN_OPTIONS, write_small_case

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
HALVES = os.environ | {'SPINEPLAN_SUBDEVICES': '2'}
DOSE = ['--engine', 'mc', '--histories', '40000', '--batch-histories', '1024']


def run(*arguments):
    done = subprocess.run([SPINEPLAN, *map(str, arguments)], env=HALVES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope='module')
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp('devices')
    if run('devices').stdout.count('\n') < 3:
        pytest.skip('one compute unit cannot be split')
    write_small_case(folder / 'case.h5')
    run('plan', folder / 'case.h5', '-o', folder / 'plan.h5', *PLAN_OPTIONS)
    run('dose', folder / 'case.h5', folder / 'plan.h5', '-o', folder / 'one.h5', *DOSE, '--device', '0')
    return folder


def test_a_dose_by_both_is_stopped_and_goes_on_to_the_bits_of_one(planned, tmp_path):
    command = ['dose', planned / 'case.h5', planned / 'plan.h5', '-o', tmp_path / 'both.h5', *DOSE, '--device', 'all',
               '--checkpoint', '0.01']
    with subprocess.Popen([SPINEPLAN, *map(str, command)], env=HALVES, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not (tmp_path / 'both.h5.checkpoint').exists() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == 4
    assert 'goes on after' in run(*command, '--resume').stderr
    assert bits(tmp_path / 'both.h5') == bits(planned / 'one.h5')


def test_a_plan_and_its_matrix_by_both_have_the_bits_of_one(planned, tmp_path):
    case = planned / 'case.h5'
    for name, command in {'matrix': ['influence'], 'plan': ['plan']}.items():
        for device in ('0', 'all'):
            run(*command, case, '-o', tmp_path / f'{name}-{device}.h5', *PLAN_OPTIONS, '--device', device)
        assert bits(tmp_path / f'{name}-0.h5') == bits(tmp_path / f'{name}-all.h5')
