"""The output folder of a cohort, and what tells whether a file there is still of the same case, options and program.
A Monte Carlo dose in parts has such a folder too; its parts stand where the cases of a cohort do.

In it are
plans/NAME.h5, doses/NAME.h5, reports/NAME.html   results, under their names only when they are whole
records/NAME.json   what was made of the case, by which program, and what came out
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
import re
from dataclasses import asdict, dataclass, field

from atomic_write import whole_file
from case_file import BadInput

ROOT = pathlib.Path(__file__).resolve().parents[3]
KEY_VERSION = 2
MOST_TEXT = 1 << 20  # protocols and machines are far smaller
STEPS = {'plan': ('plans', '.h5'), 'dose': ('doses', '.h5'), 'report': ('reports', '.html'), 'part': ('parts', '.h5')}
# of `spineplan plan` and `spineplan dose`: what the cohort sets itself, or what would not let it read the results
OWN_OPTIONS = ('-o', '--output', '--device', '--json', '--require-limits', '--help', '-h', '--resume', '--parts')


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
    value = read_json(path) or {}
    kinds = {key: dict for key in (*STEPS, 'result')} | {key: str for key in ('status', 'error', 'case_sha256')}
    kinds |= {key: int for key in ('attempts', 'interruptions', 'timed_out')}
    return value if all(isinstance(value[key], kind) for key, kind in kinds.items() if value.get(key) is not None) else None


def write_json(path, value):
    try:
        with whole_file(path) as f:
            f.write(json.dumps(value, indent=1).encode() + b'\n')
    except OSError as e:  # by the name that its reader knows, not that of a file in the making
        raise OSError(e.errno, e.strerror, str(path)) from None


def one_line(text):
    """A name may have line ends and bytes that are no UTF-8."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape', 'backslashreplace').decode() for c in text)


@contextlib.contextmanager
def only_one(path, wait=True):
    """Holds a lock that dies with its process; yields False where another has it and wait is False."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a', encoding='utf-8') as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass  # a file system without locks: job arrays do not need them
        yield True


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


def own_option(option):
    """The one that this spells: getopt_long takes any beginning of a long name, and a value right after a short one."""
    name = option.split('=')[0]
    if re.match('--.', name):
        return next((o for o in OWN_OPTIONS if o.startswith(name)), None)
    return next((o for o in OWN_OPTIONS if len(o) == 2 and option.startswith(o)), None)


def files_named(options):
    """Files that options name (`--machine FILE` or `--machine=FILE`), and those that a text file of these names in turn, as a
    machine names its leaves."""
    left = [value for option in options for value in (option, option.partition('=')[2]) if value]
    found = []
    while left:
        path = left.pop(0)
        if path in found or not os.path.isfile(path):
            continue
        found.append(path)
        if os.path.getsize(path) > MOST_TEXT:
            continue
        try:
            text = pathlib.Path(path).read_text(encoding='utf-8')
        except ValueError:
            continue  # no text: HDF5
        for line in text.splitlines():
            values = [line.split(' #')[0], *re.split(r'[\[\]{},]|:\s|-\s', line.split(' #')[0])]
            values += [line.split(' #')[0].partition(': ')[2]]
            for value in filter(None, (v.strip().strip('"\'') for v in values)):
                left += [value, os.path.join(os.path.dirname(path), value)]
    return found


def check_options(options, what):
    for option in options:
        name = own_option(option)
        if name:
            raise BadInput(f'{name} is not for the options of spineplan {what}: the cohort sets it where it needs it')


def find_cases(folder, out):
    """The *.h5 of a folder, sorted; their names without .h5 are the cases' names."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise BadInput(f'{folder} is no folder of cases')
    if out.resolve() == folder.resolve():
        raise BadInput(f'{out} is the folder of the cases; let the results have one of their own')
    # links are not followed: the name of a case is the one that it has in this folder
    found = sorted(folder.resolve() / p.name for p in folder.glob('*.h5') if not p.name.startswith('.'))
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
        self.lock = out / 'work' / f'{self.name}.lock'
        self.result = {step: out / folder / (self.name + ending) for step, (folder, ending) in STEPS.items()}
        self.working = {step: self.work / (step + ending) for step, (_, ending) in STEPS.items()}


def report_program():
    """Of what makes the reports."""
    here = ROOT / 'scripts' / 'python'
    files = [here / 'make_report.py', *sorted((here / 'report').rglob('*'))]
    return [sha256_of(p) for p in files if p.is_file() and p.suffix != '.pyc']


class Keys:
    """Hashes of all that a result depends on: the case, the options, files that they name, the program."""

    def __init__(self, settings):
        self.settings = settings
        try:
            self.program = sha256_of(settings.program)
        except OSError as e:
            raise BadInput(f'{settings.program}: {e.strerror}; scripts/build makes it') from None
        self.report = report_program()
        named = settings.plan_options + (settings.dose_options or []) + [settings.plan]
        self.files = [sha256_of(path) for path in files_named(named)]

    def case_sha256(self, place, record):
        """That of the record while the file is the same, so that a restart reads no case again."""
        stamp = stamp_of(place.case)
        if stamp and record.get('case_stamp') == stamp and record.get('case_sha256'):
            return record['case_sha256'], stamp
        return sha256_of(place.case), stamp

    def of(self, step, case_sha256):
        s = self.settings
        parts = [KEY_VERSION, self.program, case_sha256, s.plan_options, self.files]
        if step == 'dose':
            parts.append(s.dose_options)
        if step == 'report':
            parts.append(self.report)
        if step == 'part':
            parts += [s.dose_options, s.plan, s.parts]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_whole(place, step, record, key):
    """The record says that this file was made with this key, and the file is still that one."""
    made = record.get(step) or {}
    stamp = stamp_of(place.result[step])
    if made.get('key') != key or not stamp:
        return False
    return made.get('stamp') == stamp or made.get('sha256') == sha256_of(place.result[step])


def steps_of(settings):
    if settings.parts:
        return ['part']
    return ['plan'] + ['dose'] * (settings.dose_options is not None) + ['report'] * settings.report


def is_done(settings, keys, place):
    record = read_record(place.record) or {}
    if record.get('status') != 'done':
        return False
    try:
        sha256, _ = keys.case_sha256(place, record)
    except OSError:
        return False
    return all(is_whole(place, step, record, keys.of(step, sha256)) for step in steps_of(settings))
