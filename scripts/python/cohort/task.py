"""One case, from case file to plan, dose and report. Stopped anywhere, it goes on from there with the same result."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import h5py

from .folder import is_whole, one_line, only_one, read_record, sha256_of, stamp_of, steps_of, write_json

REFUSED = 2
RETRIED_EXITS = (3,)  # the device; what a signal ended has a negative one
INTERRUPTED = 4
# A child must not outlive us, or it would go on writing into a folder that another has taken over.
WITH_PARENT = [shutil.which('setpriv'), '--pdeathsig', 'KILL'] if shutil.which('setpriv') else []


class Interrupted(Exception):
    pass


class Failed(Exception):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code


class Stop:
    """Asked for from a signal handler or another thread; ends the running child the way its step allows."""

    def __init__(self):
        self.asked = False
        self.children = {}

    def ask(self):
        # no lock: a signal handler would wait for what its own thread holds
        self.asked = True
        for child in list(self.children):
            self.end(child)

    def start(self, command, number, **options):
        if self.asked:
            raise Interrupted
        child = subprocess.Popen(command, **options)
        self.children[child] = number
        if self.asked:  # between these lines
            self.end(child)
        return child

    def end(self, child):
        number = self.children.pop(child, None)  # whoever gets it sends the one signal
        if number is not None:
            end(child, number)

    def forget(self, child):
        self.children.pop(child, None)


def end(child, number):
    try:
        child.send_signal(number)
    except OSError:
        pass


def run_program(command, place, stop, number, said):
    """Runs to its end; what it says goes to the log, each line also to said(). number: the signal that stops it."""
    last, environment = '', dict(os.environ, LC_ALL='C.UTF-8')
    with open(place.log, 'a', encoding='utf-8', errors='replace') as log:
        print('$', *command, file=log, flush=True)
        # a session of its own, so that Ctrl-C on the terminal reaches it through us alone
        child = stop.start(WITH_PARENT + command, number, stdin=subprocess.DEVNULL, stdout=log,
                           stderr=subprocess.PIPE, text=True, errors='replace', start_new_session=True, env=environment)
        try:
            for line in child.stderr:
                log.write(line)
                log.flush()
                last = line.strip() or last
                said(line.strip())
            code = child.wait()
        finally:
            stop.forget(child)
            child.stderr.close()
    return code, last


def plan_command(settings, place, device):
    return [settings.program, 'plan', str(place.case), '-o', str(place.working['plan']), *settings.plan_options,
            '--json', *device]


def dose_command(settings, place, device):
    return [settings.program, 'dose', str(place.case), str(place.result['plan']), '-o', str(place.working['dose']),
            '--engine', 'mc', *settings.dose_options, '--resume', *device]


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
    for left in range(settings.retries, -1, -1):
        resumes = checkpoint.exists()
        code, last = run_program(make(settings, place, device), place, stop, number, said)
        # 1: a plan that misses a hard limit; the table of all cases says so
        if code == 0 or (code == 1 and step == 'plan' and place.working['plan'].exists()):
            return
        if stop.asked:
            raise Interrupted
        if resumes and code == REFUSED:  # damaged, or of another run: without it the bits are the same
            checkpoint.unlink(missing_ok=True)
        elif left == 0 or (code > 0 and code not in RETRIED_EXITS):
            break
        said(f'{step}: exit status {code}, tried again')
    raise Failed(last if code > 0 and last else f'{step} ended with exit status {code}', code)


def put_in_place(place, step, key, seconds):
    """The result gets its name; the record tells its key."""
    working, result = place.working[step], place.result[step]
    sha256 = sha256_of(working)
    os.replace(working, result)
    return {'key': key, 'stamp': stamp_of(result), 'sha256': sha256, 'seconds': round(seconds, 3)}


def open_record(place, settings, keys):
    """What an earlier run left of the case, with only the steps that still hold; and the steps to do."""
    old = read_record(place.record) or {}
    sha256, stamp = keys.case_sha256(place, old)
    record = {'case': place.name, 'path': str(place.case), 'case_sha256': sha256, 'case_stamp': stamp,
              'interruptions': old.get('interruptions', 0), 'timed_out': old.get('timed_out', 0),
              'attempts': old.get('attempts', 0) + 1}
    todo = []
    for step in steps_of(settings):
        key = keys.of(step, sha256)
        if todo or not is_whole(place, step, old, key):  # what follows on something new is new
            todo.append((step, key))
        else:
            record[step] = old[step]
    if 'plan' in record:
        record['result'] = old.get('result')
    return record, todo


def prepare_work(place, record, todo):
    """Nothing of an earlier attempt stays but the checkpoint of the same dose; results that no longer hold go."""
    wanted = [key for step, key in todo if step in RESUMED]
    belongs = place.work / 'checkpoint.key'
    keeps = wanted and ('plan' in record or todo[0][0] == 'part')
    if place.work.exists() and not (keeps and belongs.exists() and belongs.read_text() == wanted[0]):
        shutil.rmtree(place.work)
    place.work.mkdir(parents=True, exist_ok=True)
    place.log.parent.mkdir(exist_ok=True)
    for step, _ in todo:
        place.result[step].parent.mkdir(exist_ok=True)
        place.result[step].unlink(missing_ok=True)
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


def record_steps(record):
    return sum(step in record for step in COMMANDS)


def run_case(settings, keys, place, device=(), stop=None, said=lambda line: None):
    """Returns the record: status done, failed (with error) or interrupted. device: ('--device', 'N') or ()."""
    stop = stop or Stop()
    place.record.parent.mkdir(parents=True, exist_ok=True)
    with only_one(place.lock):
        try:
            record, todo = open_record(place, settings, keys)
        except OSError as e:
            record, todo = {'case': place.name, 'path': str(place.case)}, None
            error = Failed(f'{place.case}: {e.strerror}', 2)
        began = time.monotonic()
        before = checkpoints(place)
        record |= {'status': 'running', 'host': socket.gethostname(), 'pid': os.getpid(),
                   'job': os.environ.get('SLURM_JOB_ID', '')}
        try:
            if todo is None:
                raise error
            if not is_utf8(place.name):
                raise Failed(f'{one_line(place.name)}.h5: the name of the file is not UTF-8; rename it', 2)
            prepare_work(place, record, todo)
            write_json(place.record, record)
            for step, key in todo:
                step_began = time.monotonic()
                place.working[step].unlink(missing_ok=True)
                attempt(settings, place, step, list(device), stop, said)
                if step == 'plan':
                    record['result'] = summary(place.working['plan'])
                record[step] = put_in_place(place, step, key, time.monotonic() - step_began)
                if step == 'dose':
                    record['result'] |= dose_summary(place.result['dose'])
                write_json(place.record, record)
            record['status'] = 'done'
            shutil.rmtree(place.work, ignore_errors=True)
        except Failed as e:
            record |= {'status': 'failed', 'error': str(e), 'exit': e.code}
        except Interrupted:
            record['status'] = 'interrupted'
            record['interruptions'] = record.get('interruptions', 0) + 1
            record['advanced'] = record_steps(record) > len(steps_of(settings)) - len(todo) or checkpoints(place) != before
        except OSError as e:  # a full disk, most likely
            record |= {'status': 'failed', 'error': f'{e.filename or place.name}: {e.strerror}', 'exit': 3}
        if todo or record['status'] == 'failed':
            record['seconds'] = round(time.monotonic() - began, 3)
            record['finished_utc'] = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
        write_json(place.record, record)
    return record


def missed_text(limit):
    value = limit.get('value')
    return (f'{limit["structure"]} {limit["metric"]} ' + (f'{value:.2f}' if value is not None else 'not known')
            + f' against {limit["limit"]:g} {limit["unit"]}')


def summary(plan_path):
    """What the table shows of a plan."""
    with h5py.File(plan_path) as f:
        evaluation, provenance = json.loads(f['evaluation'][()]), json.loads(f['provenance'][()])
        engine = provenance.get('engine')
    limits = evaluation.get('limits') or []
    metrics = {s['name']: s['metrics'] for s in evaluation.get('structures', [])}
    target = metrics.get((evaluation.get('prescription') or {}).get('target'), {})
    cord = [s['metrics'].get('D0.03cc_Gy') for s in evaluation.get('structures', []) if s['role'] == 'cord']
    return {
        'protocol': (evaluation.get('prescription') or {}).get('protocol'),
        'dose_gy': (evaluation.get('prescription') or {}).get('dose_gy'),
        'fractions': (evaluation.get('prescription') or {}).get('fractions'),
        'limits': len(limits), 'limits_met': sum(bool(limit['met']) for limit in limits),
        'all_limits_met': evaluation.get('all_limits_met'),
        'missed': [missed_text(limit) for limit in limits if not limit['met']],
        'target_D95_gy': target.get('D95_Gy'), 'target_D98_gy': target.get('D98_Gy'),
        'target_V100_pct': target.get('V100_pct'), 'target_Dmax_gy': target.get('Dmax_Gy'),
        'cord_D003cc_gy': max((c for c in cord if c is not None), default=None),
        'paddick_ci': evaluation.get('paddick_ci'), 'gradient_index': evaluation.get('gradient_index'),
        'engine': engine, 'device': provenance.get('device'), 'driver': provenance.get('driver'),
        'program': provenance.get('program'),
        'seconds': {key: provenance.get(f'{key}_seconds') for key in ('matrix', 'optimise', 'dose', 'total')}}


def dose_summary(dose_path):
    with h5py.File(dose_path) as f:
        provenance = json.loads(f['provenance'][()])
    return {'mc_sigma_pct': provenance.get('mean_sigma_percent'), 'mc_histories': provenance.get('histories'),
            'mc_seconds': provenance.get('transport_seconds')}
