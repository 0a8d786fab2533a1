"""spineplan commission as a command: from a folder to a machine file that doses are computed with, and a picture."""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

import plot_commission

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
HEADER = 'kind,field_x_mm,field_y_mm,ssd_mm,depth_mm,x_mm,y_mm,dose\n'
OUTPUT = 1.03


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)


def write_tank(folder, doses=None):
    """A depth dose, and a dose of 1 MU that is 3 % more than the file's."""
    depths = [*range(4, 30, 2), *range(30, 301, 10)]
    doses = np.ones(len(depths)) if doses is None else doses
    folder.mkdir(exist_ok=True)
    (folder / 'tank.csv').write_text(HEADER + ''.join(
        f'depth,100,100,1000,{d},0,0,{v:.6g}\n' for d, v in zip(depths, doses, strict=True)) +
        f'absolute,100,100,1000,14,0,0,{0.01 * OUTPUT}\n')


def harder_beam(tmp_path):
    """The depth dose of generic-6mv with electrons of 6.4 MeV on the target."""
    text = (ROOT / 'engine/beam/machines/generic-6mv.yaml').read_text()
    hidden = tmp_path / 'hidden.yaml'
    hidden.write_text(text.replace('electron_mev: 5.990', 'electron_mev: 6.4').replace('kernel: generic-6mv',
                                                                                      'kernel: superposed'))
    write_tank(tmp_path / 'tank')
    found = json.loads(run('bench', 'beams', '--machine', hidden, '--measured', tmp_path / 'tank', '--json').stdout)
    return np.array(found[0]['computed']['computed'])


def test_a_new_machine_is_made_and_used_and_drawn(monkeypatch, tmp_path):
    write_tank(tmp_path / 'tank', harder_beam(tmp_path))
    new = tmp_path / 'mine.yaml'

    done = run('commission', 'generic-6mv', '--measured', tmp_path / 'tank', '-o', new)

    assert done.returncode == 0, done.stderr
    assert 'held: not measured' in done.stdout
    assert 'Commissioned from' in new.read_text() and 'name: "mine"' in new.read_text()
    found = json.loads((tmp_path / 'mine.json').read_text())
    values = {p['name']: p for p in found['parameters']}
    # no noise was added: what is left is that of the doses' rounding to six digits
    assert abs(values['source.spectrum.electron_mev']['value'] - 6.4) < 0.05
    assert all(s['after']['passed'] == s['after']['judged'] for s in found['scans'])
    assert found['scans'][1]['before']['passed'] == 0

    # the new machine agrees with the tank by itself, and gives a dose
    again = run('bench', 'beams', '--machine', new, '--measured', tmp_path / 'tank')
    assert again.returncode == 0, again.stdout
    case = tmp_path / 'water.h5'
    assert run('phantom', 'slabs', '-o', case, '--voxel-mm', 10, '--size-mm', '200x200', '--layer',
               'water:200').returncode == 0
    dose = run('dose', case, '-o', tmp_path / 'dose.h5', '--source', 'point', '--ssd-mm', 900, '--field-mm', '100x100',
               '--machine', new, '--engine', 'pencil', '--grid-mm', 10)
    assert dose.returncode == 0, dose.stderr

    picture = tmp_path / 'mine.png'
    monkeypatch.setattr(sys, 'argv', ['commission', str(tmp_path / 'mine.json'), '-o', str(picture)])
    assert plot_commission.main() == 0
    assert picture.read_bytes().startswith(b'\x89PNG')


def test_wrong_use_and_input_is_one_sentence(tmp_path):
    write_tank(tmp_path / 'tank')
    (tmp_path / 'empty').mkdir()
    new = tmp_path / 'new.yaml'
    for arguments, say in (
            (('generic-6mv',), 'are needed'),
            (('generic-6mv', '--measured', tmp_path / 'empty', '-o', new), 'holds no measurements'),
            (('generic-6mv', '--measured', tmp_path / 'tank', '-o', tmp_path / 'new.json'), 'name it .yaml'),
            (('no-such', '--measured', tmp_path / 'tank', '-o', new), "no machine is called 'no-such'"),
            (('generic-6mv', '--measured', tmp_path / 'none', '-o', new), 'No such file'),
            (('generic-6mv', '--measured', tmp_path / 'tank', '-o', new, '--hold', 'nothing'), 'no good value'),
            (('generic-6mv', '--measured', tmp_path / 'tank', '-o', tmp_path / 'no' / 'new.yaml'), 'folder does not exist')):
        done = run('commission', *arguments)
        assert done.returncode == 2, done.stdout
        assert say in done.stderr
        assert not new.exists()


def test_a_name_that_the_results_cannot_hold_is_refused(tmp_path):
    write_tank(tmp_path / 'tank')
    os.rename(tmp_path / 'tank' / 'tank.csv', os.fsencode(tmp_path / 'tank') + b'/t\xff.csv')

    done = subprocess.run([PROGRAM, 'commission', 'generic-6mv', '--measured', tmp_path / 'tank', '-o',
                           tmp_path / 'new.yaml'], capture_output=True, check=False)

    assert done.returncode == 2
    assert b'not UTF-8' in done.stderr


def test_a_file_that_is_no_result_is_not_drawn(monkeypatch, capsys, tmp_path):
    wrong = tmp_path / 'wrong.json'
    for text in ('{', '[]', '{}', '{"scans": [1], "parameters": []}', '{"scans": [{"kind": "profile"}], "parameters": []}'):
        wrong.write_text(text)
        monkeypatch.setattr(sys, 'argv', ['commission', str(wrong), '-o', str(tmp_path / 'p.png')])
        assert plot_commission.main() == 2
        assert 'wrong.json' in capsys.readouterr().err
