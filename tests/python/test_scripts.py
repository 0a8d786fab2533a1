"""The commands of scripts/ work from any folder, say how they are used, and count tests rightly."""
import json
import pathlib
import subprocess

import pytest

import count_tests
from small_case import PLAN_OPTIONS, write_small_case

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / 'scripts'


@pytest.mark.parametrize('name', ['build', 'demo', 'dicom2case', 'rtplan2h5', 'plan2dicom', 'try-data', 'convert', 'matrix2portpy', 'rtdose2h5', 'voxels2case', 'report', 'cohort', 'slurm', 'plan', 'try-faults', 'commission', 'single-kernels'])
def test_help_names_the_command(name, tmp_path):
    done = subprocess.run([SCRIPTS / name, '--help'], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0
    assert name in done.stdout + done.stderr


@pytest.mark.parametrize('name', ['build', 'demo', 'setup'])
def test_unknown_option_is_wrong_use(name, tmp_path):
    done = subprocess.run([SCRIPTS / name, '--nonsense'], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 2
    assert 'usage' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_set_up_installs_nothing_twice(tmp_path):
    done = subprocess.run([SCRIPTS / 'setup', 'build', 'python', 'test'], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0
    assert 'installing' not in done.stdout


def test_plan_goes_from_case_to_report(tmp_path):
    write_small_case(tmp_path / 'case.h5', seed=1)
    command = [SCRIPTS / 'plan', 'case.h5', '-o', 'results', *PLAN_OPTIONS]
    done = subprocess.run([*command, '--uncertainty', '20%'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert 'All rules of the machine hold.' in done.stdout
    assert sorted(p.name for p in (tmp_path / 'results').iterdir()) == ['plan.h5', 'report.html']
    (tmp_path / 'results' / 'report.html').unlink()
    assert subprocess.run([*command, '--tech', 'fluence'], cwd=tmp_path, capture_output=True).returncode in (0, 1)
    assert (tmp_path / 'results' / 'report.html').exists()
    for wrong in (['plan', 'nothing.h5', '-o', 'other'], ['plan', 'case.h5'], ['plan', '-o', 'other', '--protocol', 'x']):
        assert subprocess.run([SCRIPTS / wrong[0], *wrong[1:]], cwd=tmp_path, capture_output=True).returncode == 2, wrong
    assert not (tmp_path / 'other' / 'report.html').exists()


CMOCKA_TEXT = """[==========] Running 3 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
[  FAILED  ] two
[ RUN      ] three
[  SKIPPED ] three
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] three
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] two
"""


def test_count_looks_into_cmocka_and_counts_crashes(tmp_path):
    (tmp_path / 'meson-logs').mkdir()
    runs = [{'result': 'FAIL', 'stdout': CMOCKA_TEXT}, {'result': 'OK', 'stdout': 'plain program'},
            {'result': 'SKIP', 'stdout': ''}, {'result': 'TIMEOUT', 'stdout': '[       OK ] first\n'}]
    (tmp_path / 'meson-logs' / 'testlog.json').write_text('\n'.join(json.dumps(r) for r in runs))
    (tmp_path / 'pytest.xml').write_text(
        '<testsuites><testsuite tests="10" failures="1" errors="1" skipped="3"/></testsuites>')
    total = {'passed': 0, 'failed': 0, 'skipped': 0}

    count_tests.count_meson(tmp_path / 'meson-logs' / 'testlog.json', total)
    assert total == {'passed': 3, 'failed': 2, 'skipped': 2}

    count_tests.count_pytest(tmp_path / 'pytest.xml', total)
    assert total == {'passed': 8, 'failed': 4, 'skipped': 5}
