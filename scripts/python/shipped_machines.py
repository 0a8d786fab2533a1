"""The machines that are shipped with the program: each file of engine/beam/machines, by name."""
import functools
import pathlib
import re

from case_file import BadInput

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'engine' / 'beam' / 'machines'


def _value(text, key, path):
    found = re.search(rf'^{key}:\s*([^\s#]+)', text, re.MULTILINE)
    if not found:
        raise BadInput(f'{path} does not tell {key}')
    return found[1]


@functools.cache
def shipped_machines():
    """{name: (nominal energy in MV, whether there is a flattening filter)}."""
    machines = {}
    for path in sorted(FOLDER.glob('*.yaml')):
        text = path.read_text(encoding='utf-8')
        machines[path.stem] = (float(_value(text, 'energy_mv', path)), _value(text, 'flattened', path) == 'true')
    return dict(sorted(machines.items(), key=lambda m: (m[1][0], not m[1][1])))
