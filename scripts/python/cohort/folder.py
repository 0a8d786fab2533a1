"""The output folder of a cohort: where which file is, and how records are read and written.
A Monte Carlo dose in parts has such a folder too; its parts stand where the cases of a cohort do.

In it are
plans/NAME.h5, doses/NAME.h5, reports/NAME.html   results, under their names only when they are whole
records/NAME.json   what was made of the case, by which program, and what came out; NAME.lock while it is made
logs/NAME.txt       what the program said
work/NAME           files in the making, and checkpoints
cohort.csv, cohort.html, settings.json
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import time
from dataclasses import asdict, dataclass, field

from atomic_write import whole_file
from case_file import BadInput

from .options import files_named

ROOT = pathlib.Path(__file__).resolve().parents[3]
STEPS = {'plan': ('plans', '.h5'), 'dose': ('doses', '.h5'), 'report': ('reports', '.html'), 'part': ('parts', '.h5')}


def program_path():
    return os.environ.get('SPINEPLAN') or str(ROOT / 'build' / 'spineplan')


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def stamp_of(path):
    """Changes with every write to the file; None where there is none. Never compared for before and after: clocks jump."""
    try:
        s = os.stat(path)
    except OSError:
        return None
    return [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino]


def read_json(path):
    """None where there is no such file, or a damaged one: then its work is done again."""
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_record(path):
    """That of a case; None where an entry is not what it has to be, as in a damaged file."""
    value = read_json(path)
    if value is None:
        return None
    kinds = {key: dict for key in (*STEPS, 'result', 'asked')}
    kinds |= {key: str for key in ('status', 'error', 'case_sha256', 'case_protocol')}
    kinds |= {key: int for key in ('attempts', 'interruptions', 'timed_out')}
    return value if all(isinstance(value[key], kind) for key, kind in kinds.items() if value.get(key) is not None) else None


def write_json(path, value):
    with whole_file(path) as f:
        f.write(json.dumps(value, indent=1).encode() + b'\n')


def one_line(text):
    """A name may have line ends and bytes that are no UTF-8."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape', 'backslashreplace').decode() for c in text)


@contextlib.contextmanager
def only_one(path, wait=lambda: False):
    """Holds a lock that dies with its process; yields False where another has it and wait() is not true, or no longer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a', encoding='utf-8') as f:
        while True:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a flock that waits would let no stop through
            except BlockingIOError:
                if not wait():
                    yield False
                    return
                time.sleep(0.1)
                continue
            except OSError:
                pass  # a file system without locks: job arrays do not need them
            yield True
            return


@dataclass
class Settings:
    cases: list                    # paths
    plan_options: list = field(default_factory=list)
    dose_options: list = None      # of the Monte Carlo recalculation; None: there is none
    report: bool = True
    retries: int = 2               # of what a device or a signal broke; bad input is not tried again
    program: str = ''
    title: str = ''
    slurm: dict = field(default_factory=dict)  # how scripts/slurm submits
    # a dose in parts instead of a cohort: cases is the one case
    parts: int = 0
    plan: str = ''    # of the dose; empty: a field
    output: str = ''  # where the merged dose goes

    def places(self, out):
        if self.parts:
            return [Place(out, self.cases[0], f'{i + 1:05d}') for i in range(self.parts)]
        places = [Place(out, path) for path in self.cases]
        if len({place.name for place in places}) < len(places):
            raise BadInput('two cases have the same name; their results would take each other\'s place')
        return places

    def save(self, out):
        write_json(out / 'settings.json', asdict(self))


def load_settings(out):
    value = read_json(out / 'settings.json')
    if value is None:
        raise BadInput(f'{out}/settings.json is missing or damaged; submit again')
    return Settings(**value)


def find_cases(folder, out):
    """The *.h5 of a folder, sorted; their names without .h5 are the cases' names."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise BadInput(f'{folder} is no folder of cases')
    if out.resolve() == folder.resolve():
        raise BadInput(f'{out} is the folder of the cases; let the results have one of their own')
    # links are not followed: the name of a case is the one that it has in this folder
    found = sorted(folder.resolve() / p.name for p in folder.iterdir()
                   if p.suffix.lower() == '.h5' and not p.name.startswith('.'))
    if not found:
        raise BadInput(f'{folder} has no *.h5: no cases')
    return [str(p) for p in found]


class Place:
    """Where the files of one case are."""

    def __init__(self, out, case_path, name=None):
        self.name = name or pathlib.Path(case_path).stem
        self.case = pathlib.Path(case_path)
        self.record = out / 'records' / f'{self.name}.json'
        self.log = out / 'logs' / f'{self.name}.txt'
        self.work = out / 'work' / self.name
        self.lock = out / 'records' / f'{self.name}.lock'
        self.result = {step: out / folder / (self.name + ending) for step, (folder, ending) in STEPS.items()}
        self.working = {step: self.work / (step + ending) for step, (_, ending) in STEPS.items()}


def check_results_folder(settings, out):
    """Refuses a folder of results in which a result would take the place of what is read, or which is emptied with it, or
    which has files of other use under the names of ours."""
    if 'plan_options' not in (read_json(out / 'settings.json') or {}):
        for name in ('settings.json', 'cohort.csv', 'cohort.html'):
            if os.path.lexists(out / name):
                raise BadInput(f'{out / name} is there and was not made here; let the results have a folder of their own')
    inputs = {}
    for path in [*settings.cases, settings.plan, *files_named(settings.plan_options + (settings.dose_options or []))]:
        if not os.path.isfile(path):
            continue
        if out.resolve() / 'work' in pathlib.Path(path).resolve().parents:
            raise BadInput(f'{path} is read from and lies in {out}/work, which is emptied; let the results have a folder of '
                           'their own')
        inputs[file_id(path)] = path
    for place in settings.places(out):
        for target in (*place.result.values(), place.record, place.log, place.lock):
            path = inputs.get(file_id(target))
            if path:
                raise BadInput(f'{path} is read from and would be written over as {target}; let the results have a folder of '
                               'their own')


def file_id(path):
    """The same for all names of a file; None where there is none."""
    try:
        s = os.stat(path)
    except OSError:
        return None
    return s.st_dev, s.st_ino
