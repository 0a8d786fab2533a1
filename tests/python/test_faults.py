"""Kills at 50 random moments of each command, and a few of scripts/try-faults' other trials: failing allocations, a full
disk, a failing device, jumping clocks."""
import os
import random
import subprocess

import pytest

from fault_trials import SHIM, bits, commands, count_calls, fail_one, kill_in_chains

pytestmark = pytest.mark.skipif(not SHIM.exists(), reason='this build has no tests/libfaults.so (it is built with sanitizers)')


@pytest.fixture(scope='module')
def tried(tmp_path_factory):
    return {c.name: c for c in commands(tmp_path_factory.mktemp('faults'))}


@pytest.mark.parametrize('name', ['plan', 'dose', 'merge'])
def test_a_kill_at_any_moment_leaves_nothing_or_all_and_the_next_run_is_right(tried, name):
    assert len(list(kill_in_chains(tried[name], random.Random(name), 50))) == 50


@pytest.mark.parametrize('name', ['plan', 'dose', 'merge'])
def test_a_call_that_fails_is_an_error_and_no_file_or_does_no_harm(tried, name):
    chance = random.Random(7)
    for kind, places in count_calls(tried[name]).items():
        for stays in (False, kind == 'IO') if places else ():
            fail_one(tried[name], kind, chance.choice(chance.choice(places)), stays)


@pytest.mark.parametrize('name', ['plan', 'dose'])
def test_clocks_that_jump_change_no_bit(tried, name):
    tried[name].clear()
    done = tried[name].run(LD_PRELOAD=str(SHIM), SP_FAULT_CLOCK='1')
    assert done.returncode == 0, done.stderr
    assert bits(tried[name].output) == tried[name].bits


@pytest.mark.parametrize('megabytes', ['0.02', '0.5', '8'])
def test_a_device_with_little_memory_is_an_error_or_does_as_well(tried, megabytes):
    plan = tried['plan']
    plan.clear()
    done = plan.run(SPINEPLAN_DEVICE_MEMORY_MB=megabytes)
    assert done.returncode in (0, 3)
    assert plan.check_output(f'{megabytes} MB') == (done.returncode == 0)
    assert done.returncode == 0 or 'MiB' in done.stderr.splitlines()[-1]
    assert done.returncode == (0 if megabytes == '8' else 3), done.stderr


def test_two_runs_on_one_output_and_one_new_cache_leave_one_whole_file(tried, tmp_path):
    plan = tried['plan']
    plan.clear()
    environment = os.environ | {'XDG_CACHE_HOME': str(tmp_path), 'POCL_CACHE_DIR': str(tmp_path / 'pocl')}
    runs = [subprocess.Popen(plan.arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(2)]
    assert [r.wait() for r in runs] == [0, 0]
    assert bits(plan.output) == plan.bits
