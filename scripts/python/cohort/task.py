"""One case, from case file to plan, dose and report. Stopped anywhere, it goes on from there with the same result."""
import os
import pathlib
import shutil
import signal
import socket
import sys
import time

from atomic_write import flush_folder

from .folder import STEPS, one_line, only_one, read_record, sha256_of, stamp_of, write_json
from .keys import result_of, whole_steps
from .options import option_value
from .program import Interrupted, Stop, run_program
from .summary import dose_summary, summary

REFUSED = 2
RETRIED_EXITS = (3, 4)  # the device; stopped, though not by us. What a signal ended has a negative one


class Failed(Exception):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code


def plan_command(settings, place, device):
    return [settings.program, 'plan', str(place.case), '-o', str(place.working['plan']), *settings.plan_options,
            '--json', *device]


def machine_options(settings):
    """Those of the plan, for its dose too: a plan file has the names of machine and leaves, and not the files given for them."""
    options = []
    for name, shortest in (('--machine', '--mac'), ('--mlc', '--ml')):
        value = option_value(settings.plan_options, name, shortest)
        if value is not None and option_value(settings.dose_options, name, shortest) is None:
            options += [name, value]
    return options


def dose_command(settings, place, device):
    return [settings.program, 'dose', str(place.case), str(place.result['plan']), '-o', str(place.working['dose']),
            '--engine', 'mc', *machine_options(settings), *settings.dose_options, '--resume', *device]


def part_command(settings, place, device):
    return [settings.program, 'dose', *settings.cases, *([settings.plan] if settings.plan else []), '-o',
            str(place.working['part']), '--engine', 'mc', *settings.dose_options, '--parts',
            f'{int(place.name)}/{settings.parts}', '--resume', *device]


def report_command(_settings, place, _device):
    maker = pathlib.Path(__file__).resolve().parents[1] / 'make_report.py'
    return [sys.executable, str(maker), str(place.result['plan']), '-o', str(place.working['report'])]


# The signal that stops a step: a plan keeps nothing worth having, and begins anew; a dose writes its checkpoint.
COMMANDS = {'plan': (plan_command, signal.SIGKILL), 'dose': (dose_command, signal.SIGTERM),
            'part': (part_command, signal.SIGTERM), 'report': (report_command, signal.SIGKILL)}
RESUMED = ('dose', 'part')


def attempt(settings, place, step, device, stop, said):
    """Makes work/NAME/STEP. Raises Failed for what another try would not mend."""
    make, number = COMMANDS[step]
    checkpoint = pathlib.Path(str(place.working[step]) + '.checkpoint')
    left = settings.retries
    while True:
        place.working[step].unlink(missing_ok=True)
        resumes = checkpoint.exists()
        code, last = run_program(make(settings, place, device), place, stop, number, said)
        # 1: a plan that misses a hard limit; the table of all cases says so
        if code == 0 or (code == 1 and step == 'plan' and place.working['plan'].exists()):
            return
        if stop.asked:
            raise Interrupted
        if resumes and code == REFUSED:  # damaged, or of another run: without it the bits are the same, and no try is lost
            checkpoint.unlink(missing_ok=True)
        elif left == 0 or (code > 0 and code not in RETRIED_EXITS):
            break
        else:
            left -= 1
        said(f'{step}: exit status {code}, tried again')
    raise Failed(last if code > 0 and last else f'{step} ended with exit status {code}', code)


def put_in_place(place, record, step, key, seconds):
    """The result gets its name; the record names it before, so that no result stands there that is not known to be ours."""
    working, result = place.working[step], place.result[step]
    record[step] = {'key': key, 'sha256': sha256_of(working), 'seconds': round(seconds, 3)}
    write_json(place.record, record)
    os.replace(working, result)
    flush_folder(result.parent)
    record[step]['stamp'] = stamp_of(result)


def open_record(place, settings, keys, old):
    """What an earlier run left of the case; and the steps to do. It names all results that stand there, wanted or not."""
    case = keys.case_of(place, old)
    asked = keys.asked(case)
    whole = whole_steps(settings, keys, place, old, case)
    todo = [(step, key) for step, key in asked.items() if step not in whole]
    record = {'case': place.name, 'path': str(place.case), **case, 'asked': asked,
              'interruptions': old.get('interruptions', 0), 'timed_out': old.get('timed_out', 0),
              'attempts': old.get('attempts', 0)}
    record |= {step: old[step] for step in STEPS if step in old}
    if 'plan' in whole:
        record['result'] = result_of(old, 'dose' in whole)
    if not todo:
        record |= {key: old[key] for key in ('seconds', 'finished_utc') if key in old}
    return record, todo


def claim(place, record, todo):
    """Refuses where a file that this cohort did not make has the name of one that it would remove."""
    foreign = [place.result[step] for step, _ in todo if step not in record and os.path.lexists(place.result[step])]
    if not record['attempts'] and os.path.lexists(place.work):
        foreign.append(place.work)
    if foreign:
        raise Failed(f'{foreign[0]} is there and was not made here; move it, or let the results have another folder', REFUSED)
    record['attempts'] += 1


def prepare_work(place, record, todo):
    """Nothing of an earlier attempt stays but the checkpoint of the same dose; results that no longer hold go, and with a plan
    all that was made from it."""
    steps = dict(todo)
    wanted = [key for step, key in todo if step in RESUMED]
    belongs = place.work / 'checkpoint.key'
    keeps = wanted and 'plan' not in steps
    if place.work.exists() and not (keeps and belongs.exists() and belongs.read_text() == wanted[0]):
        shutil.rmtree(place.work)
    place.work.mkdir(parents=True, exist_ok=True)
    place.log.parent.mkdir(exist_ok=True)
    for step in [step for step in STEPS if step in record and (step in steps or 'plan' in steps)]:
        place.result[step].unlink(missing_ok=True)
        del record[step]
    for step in steps:
        place.result[step].parent.mkdir(exist_ok=True)
    if wanted:
        belongs.write_text(wanted[0])


def is_utf8(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def checkpoints(place):
    return [stamp_of(str(place.working[step]) + '.checkpoint') for step in RESUMED]


def known_of(place):
    """The record of an earlier run. One that cannot be read was ours too, and may have named anything."""
    old = read_record(place.record)
    if old is None and place.record.exists():
        return {'attempts': 1} | {step: {} for step in STEPS}
    return old or {}


def run_steps(settings, place, record, todo, device, stop, said):
    for step, key in todo:
        began = time.monotonic()
        attempt(settings, place, step, list(device), stop, said)
        if step == 'plan':
            record['result'] = summary(place.working['plan'])
        if step == 'dose':
            record['result'] |= dose_summary(place.working['dose'])
        put_in_place(place, record, step, key, time.monotonic() - began)
        write_json(place.record, record)


def run_case(settings, keys, place, device=(), stop=None, said=lambda line: None):
    """Returns the record: status done, failed (with error) or interrupted. device: ('--device', 'N') or ()."""
    stop = stop or Stop()
    with only_one(place.lock, lambda: not stop.asked) as mine:
        if not mine:  # stopped while another task had the case, whose record it is
            return {'case': place.name, 'status': 'interrupted', 'waited': True}
        old = known_of(place)
        try:
            record, todo = open_record(place, settings, keys, old)
            error = None
        except OSError as e:
            record, todo = {'case': place.name, 'path': str(place.case), 'attempts': old.get('attempts', 0)}, []
            record |= {step: old[step] for step in STEPS if step in old}
            error = Failed(f'{place.case}: {e.strerror}', REFUSED)
        began = time.monotonic()
        before = checkpoints(place)
        record |= {'status': 'running', 'host': socket.gethostname() if todo else old.get('host', ''), 'pid': os.getpid(),
                   'job': os.environ.get('SLURM_JOB_ID', '')}
        try:
            if error:
                raise error
            if not is_utf8(place.name):
                raise Failed(f'{one_line(place.name)}.h5: the name of the file is not UTF-8; rename it', REFUSED)
            claim(place, record, todo)
            write_json(place.record, record)
            prepare_work(place, record, todo)
            run_steps(settings, place, record, todo, device, stop, said)
            record['status'] = 'done'
            shutil.rmtree(place.work, ignore_errors=True)
        except Failed as e:
            record |= {'status': 'failed', 'error': str(e), 'exit': e.code}
        except Interrupted:
            record['status'] = 'interrupted'
            record['interruptions'] = record.get('interruptions', 0) + 1
            made = [step for step, key in todo if (record.get(step) or {}).get('key') == key]
            record['advanced'] = bool(made) or checkpoints(place) != before
        except OSError as e:  # a full disk, most likely
            record |= {'status': 'failed', 'error': f'{e.filename or place.name}: {e.strerror}', 'exit': 3}
        if todo or 'finished_utc' not in record:
            record['seconds'] = round(time.monotonic() - began, 3)
            record['finished_utc'] = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
        write_json(place.record, record)
    return record
