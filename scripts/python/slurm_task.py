"""What the jobs of scripts/slurm run: `run OUT GROUP` the cases of one task, `gather OUT LEFT` what comes after all.

Told to stop (the end of the time limit is near, or a job of higher priority wants the node), a task writes its checkpoint
and asks for its own return to the queue. The gathering job submits again what was lost without a word.
"""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from case_file import BadInput
from cohort.folder import load_settings, one_line, read_json, read_record, sha256_of, stamp_of, write_json
from cohort.keys import Keys, is_done
from cohort.program import Stop
from cohort.slurm import cancelled_groups, submit
from cohort.table import write_tables
from cohort.task import run_case

MOST_TIMED_OUT = 3  # of a case that does not advance


def say(text):
    print(f'slurm task: {text}', file=sys.stderr, flush=True)


def state_of(job):
    said = subprocess.run(['scontrol', 'show', 'job', '-o', job], capture_output=True, text=True, check=False).stdout
    return next((w.split('=')[1] for w in said.split() if w.startswith('JobState=')), '')


def requeue():
    """Only what still counts as running: a job that the user has cancelled stays so."""
    job = os.environ.get('SLURM_JOB_ID')
    if not job:
        return
    if state_of(job) not in ('RUNNING', 'SUSPENDED', 'PREEMPTED'):
        say('ends, without a return to the queue')
        return
    done = subprocess.run(['scontrol', 'requeue', job], capture_output=True, text=True, check=False)
    say('goes back to the queue' if done.returncode == 0 else done.stderr.strip())
    if done.returncode == 0:
        time.sleep(30)  # Slurm ends us; an exit of our own might come first and count as the job's end


def near_time_limit(grace):
    """A stop well before the end of the job is a pre-emption; where Slurm does not tell the end, it counts as the limit."""
    try:
        return time.time() > int(os.environ['SLURM_JOB_END_TIME']) - grace - 60
    except (KeyError, ValueError):
        return True


def count_time_limit(record, place, grace):
    """A case that the time limit stops again and again without an advance would go round for ever: it fails at last."""
    if record['status'] != 'interrupted' or record.get('waited') or not near_time_limit(grace):
        return
    record['timed_out'] = 0 if record.get('advanced') else record.get('timed_out', 0) + 1
    if record['timed_out'] >= MOST_TIMED_OUT:
        record |= {'status': 'failed', 'exit': 4,
                   'error': f'not done within the time limit {record["timed_out"]} times; give more --time'}
    write_json(place.record, record)


def run_or_fail(settings, keys, place, stop):
    """Nothing may escape: an ended worker looks like a stopped one, and would go back to the queue for ever."""
    try:
        record = run_case(settings, keys, place, (), stop)
        count_time_limit(record, place, settings.slurm.get('grace', 60))
        return record
    except Exception as e:
        record = (read_record(place.record) or {}) | {
            'case': place.name, 'path': str(place.case), 'status': 'failed', 'error': f'{type(e).__name__}: {e}', 'exit': 3}
        try:
            write_json(place.record, record)
        except OSError:
            pass  # a full disk: the log has it
        return record


def run(out, group):
    settings = load_settings(out)
    keys, stop, records = Keys(settings), Stop(), []
    size = settings.slurm['cases_per_task']
    places = settings.places(out)[group * size:(group + 1) * size]

    def work():
        for place in places:
            if not stop.asked:
                records.append(run_or_fail(settings, keys, place, stop))
                say(f'{one_line(place.name)}: {records[-1]["status"]} {records[-1].get("error", "")}')
    # the main thread is for signals
    signal.signal(signal.SIGTERM, lambda *_: stop.ask())
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if len(records) < len(places) or any(r['status'] == 'interrupted' for r in records):
        requeue()
        return 4
    return 0 if len(records) == len(places) and all(r['status'] == 'done' for r in records) else 1


def merge_key(settings, keys, places):
    return [keys.of('part', keys.case_of(p, read_record(p.record) or {})) for p in places] + [settings.output]


def merged_already(out, settings, keys):
    """The dose under its name is that of these parts. The case is read again where it is not the one of the record."""
    record = read_json(out / 'records' / 'merge.json') or {}
    if not record.get('key') or not os.path.exists(settings.output):
        return False
    if record.get('stamp') != stamp_of(settings.output) and record.get('sha256') != sha256_of(settings.output):
        return False
    case = keys.case_of(settings.places(out)[0], {})
    return record['key'] == [keys.of('part', case)] * settings.parts + [settings.output]


def merge(out, settings, keys, places):
    parts = [str(p.result['part']) for p in places]
    done = subprocess.run([settings.program, 'merge', *parts, '-o', settings.output], check=False)
    if done.returncode != 0:
        return done.returncode
    write_json(out / 'records' / 'merge.json', {'key': merge_key(settings, keys, places), 'stamp': stamp_of(settings.output),
                                                'sha256': sha256_of(settings.output)})
    if not settings.slurm.get('keep_parts'):
        for part in parts:
            os.unlink(part)
    say(f'{settings.output} is merged from {len(parts)} parts')
    return 0


def leave_cancelled(settings, places, undone, arrays):
    """Returns those of the undone that were lost; the records of the others say that somebody cancelled them."""
    groups, lost = cancelled_groups(arrays), []
    for i in undone:
        if i // settings.slurm.get('cases_per_task', 1) not in groups:
            lost.append(i)
            continue
        record = read_record(places[i].record) or {'case': places[i].name, 'path': str(places[i].case)}
        record.pop('asked', None)  # they were not asked for what an earlier run has left
        write_json(places[i].record, record | {'status': 'cancelled'})
    return lost


def gather(out, left, arrays=()):
    """left: how often what was lost may be submitted again. arrays: ID:OFFSET of those before this job."""
    settings = load_settings(out)
    keys, places = Keys(settings), settings.places(out)
    if settings.parts and merged_already(out, settings, keys):
        say(f'{settings.output} is merged already')
        return 0
    states = [(read_record(p.record) or {}).get('status') for p in places]
    undone = [i for i, p in enumerate(places) if states[i] not in ('failed', 'cancelled') and not is_done(settings, keys, p)]
    undone = leave_cancelled(settings, places, undone, arrays)
    if not settings.parts:
        say(write_tables(out, settings, keys))
    if undone and left > 0:
        ids, after = submit(out, settings, undone, left - 1)
        say(f'{len(undone)} were lost and are submitted again as {", ".join(ids)}; {after} gathers')
        return 0
    records = [read_record(p.record) or {} for p in places]
    failed = [r.get('error', '') for r in records if r.get('status') == 'failed']
    cancelled = sum(r.get('status') == 'cancelled' for r in records)
    if undone or cancelled:
        named = ', '.join(one_line(places[i].name) for i in undone[:10])
        say(f'{len(undone) + cancelled} of {len(places)} are not done: ' + (f'{cancelled} cancelled' if cancelled else '')
            + (', ' if cancelled and named else '') + named + '; the same scripts/slurm command submits them again')
    if failed:
        say(f'{len(failed)} of {len(places)} failed, for example: {failed[0]}')
    if undone or failed or cancelled:
        return 1
    return merge(out, settings, keys, places) if settings.parts else 0


def main():
    what, out, number, *arrays = sys.argv[1:]
    try:
        return run(pathlib.Path(out), int(number)) if what == 'run' else gather(pathlib.Path(out), int(number), arrays)
    except (BadInput, OSError) as e:
        say(str(e))
        return 2


if __name__ == '__main__':
    sys.exit(main())
