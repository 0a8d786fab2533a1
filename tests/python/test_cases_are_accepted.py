"""What the importers write, spineplan itself accepts."""
import os
import pathlib
import subprocess
import sys

import pytest

import dicom2case
from small_dicom import DZ, NZ, X0, Y0, Z0, rectangle, write_series, write_structures

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))


def check(path):
    return subprocess.run([SPINEPLAN, 'check', str(path)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize('name', ['tg119.h5', 'lumbar.h5', 'thorax.h5'])
def test_kept_cases_pass_the_check(name):
    done = check(ROOT / 'tests' / 'data' / name)

    assert done.returncode == 0, done.stderr


def test_imported_series_passes_the_check(tmp_path, monkeypatch):
    (tmp_path / 'in').mkdir()
    write_series(tmp_path / 'in')
    body = [rectangle(X0, X0 + 15, Y0, Y0 + 14, Z0 + DZ * k) for k in range(NZ)]
    bone = [rectangle(X0 + 4, X0 + 11, Y0 + 3, Y0 + 9, Z0 + DZ * k) for k in range(1, 5)]
    write_structures(tmp_path / 'in' / 'RS', [('BODY', 'EXTERNAL', body), ('VB', 'ORGAN', bone)])
    monkeypatch.setattr(sys, 'argv', ['dicom2case', str(tmp_path / 'in'), '-o', str(tmp_path / 'case.h5'),
                                      '--make-target', 'VB:1', '--target-dose', '24', '--fractions', '2'])
    assert dicom2case.main() == 0

    done = check(tmp_path / 'case.h5')

    assert done.returncode == 0, done.stderr
    assert '24 Gy in 2 fractions to PTV' in done.stdout
