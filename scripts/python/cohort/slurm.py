"""Slurm jobs for a cohort or for the parts of a dose: an array, and one job after it that gathers."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

from case_file import BadInput

TASK = pathlib.Path(__file__).resolve().parents[1] / 'slurm_task.py'
PASSED = ('partition', 'time', 'gpus', 'cpus-per-task', 'mem', 'gres', 'account', 'qos', 'constraint', 'nodelist', 'exclude')
ALSO_FOR_GATHERING = ('partition', 'account', 'qos', 'time')
USUAL_MOST = 1001  # Slurm's own default of MaxArraySize


def most_in_array():
    """Indices of an array are below MaxArraySize."""
    try:
        said = subprocess.run(['scontrol', 'show', 'config'], capture_output=True, text=True, check=False).stdout
    except OSError:
        said = ''
    found = re.search(r'^MaxArraySize\s*=\s*(\d+)', said, re.MULTILINE)
    return max(int(found[1]) if found else USUAL_MOST, 2) - 1


def ranges_text(numbers):
    """1,2,3,7 as 1-3,7."""
    parts, numbers = [], sorted(numbers)
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ','.join(f'{a}-{b}' if b > a else f'{a}' for a, b in parts)


def word(text):
    """A value in an #SBATCH line. sbatch knows no escapes in its quotes, takes backslashes out, and its jobs read UTF-8."""
    if '"' in text or '\n' in text or '\\' in text:
        raise BadInput(f'{text!r}: quotation marks, backslashes and line ends cannot be given to sbatch')
    if any('\udc80' <= c <= '\udcff' for c in text):
        raise BadInput(f'{text!r} is not UTF-8, as what is given to sbatch has to be')
    return f'"{text}"'


def header(options):
    return [f'#SBATCH --{name}' + ('' if value is None else f'={word(str(value))}') for name, value in options]


def with_percent(path):
    return str(path).replace('%', '%%')


def array_script(out, slurm, indices, offset):
    """The tasks of an array; task i does groups of cases i + offset."""
    limit = f'%{slurm["at_once"]}' if slurm.get('at_once') else ''
    options = [('job-name', slurm['name']), ('array', ranges_text(indices) + limit),
               ('output', with_percent(out / 'logs') + '/slurm-%A_%a.txt'), ('open-mode', 'append'), ('requeue', None),
               ('signal', f'B:TERM@{slurm["grace"]}')]
    options += [(name, slurm[name]) for name in PASSED if slurm.get(name)]
    lines = ['#!/bin/bash', *header(options), *(f'#SBATCH {option}' for option in slurm.get('sbatch', [])), 'set -eu',
             'threads=${SLURM_CPUS_PER_TASK:-}',
             '[ -z "$threads" ] || export OMP_NUM_THREADS=$threads POCL_MAX_PTHREAD_COUNT=$threads',
             # the task takes the signal itself: a shell would wait for its child first
             f'exec {shlex.quote(sys.executable)} {shlex.quote(str(TASK))} run {shlex.quote(str(out))} '
             f'$((SLURM_ARRAY_TASK_ID + {offset}))']
    return '\n'.join(lines) + '\n'


def gather_script(out, slurm, left):
    options = [('job-name', slurm['name'] + '-gather'), ('output', with_percent(out / 'logs') + '/slurm-gather-%j.txt'),
               ('cpus-per-task', 1), ('requeue', None)]
    options += [(name, slurm[name]) for name in ALSO_FOR_GATHERING if slurm.get(name)]
    lines = ['#!/bin/bash', *header(options), *(f'#SBATCH {option}' for option in slurm.get('sbatch_gather', [])), 'set -eu',
             f'exec {shlex.quote(sys.executable)} {shlex.quote(str(TASK))} gather {shlex.quote(str(out))} {left} "$@"']
    return '\n'.join(lines) + '\n'


def groups_of(settings, numbers):
    """Cases that one task does one after another: their group's number is the task's."""
    return sorted({n // settings.slurm['cases_per_task'] for n in numbers})


def scripts_for(out, settings, numbers, most, left):
    """Job scripts for the cases of these numbers: arrays, each with its offset, and the one that gathers."""
    arrays = {}
    for group in groups_of(settings, numbers):
        arrays.setdefault(group // most, []).append(group)
    return ([(array_script(out, settings.slurm, [g - a * most + 1 for g in groups], a * most - 1), a * most - 1)
             for a, groups in arrays.items()], gather_script(out, settings.slurm, left))


def sbatch(script, path, *options, arguments=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    try:
        done = subprocess.run(['sbatch', '--parsable', *options, str(path), *arguments], capture_output=True, text=True, check=False)
    except OSError as e:
        raise BadInput(f'sbatch: {e.strerror}; is Slurm here?') from None
    if done.returncode != 0:
        raise BadInput(f'sbatch refuses {path}: ' + (done.stderr.strip() or 'it does not say why'))
    return done.stdout.strip().split(';')[0]


def take_back(ids):
    """Without the job that gathers, nobody would look after these."""
    if not ids:
        return
    try:
        said = subprocess.run(['scancel', *ids], capture_output=True, text=True, check=False)
        failed = said.stderr.strip() or 'scancel fails' if said.returncode else ''
    except OSError as e:
        failed = e.strerror
    print(f'slurm: {", ".join(ids)} ' + (f'stay in the queue ({failed}): scancel {" ".join(ids)}' if failed else 'cancelled'),
          file=sys.stderr)


def submit(out, settings, numbers, left):
    """Returns the ids of the arrays and that of the gathering job. left: how often it may submit what is lost again."""
    (out / 'logs').mkdir(parents=True, exist_ok=True)
    arrays, gather = scripts_for(out, settings, numbers, most_in_array(), left)
    ids = []
    try:
        for i, (script, _) in enumerate(arrays):
            # --at-once is kept by each array alone: one after another they keep it together
            after = [f'--dependency=afterany:{ids[-1]}'] if ids and settings.slurm.get('at_once') else []
            ids.append(sbatch(script, out / 'jobs' / f'array-{i + 1}.sh', *after))
        after = ['--dependency=afterany:' + ':'.join(ids)] if ids else []  # none where only the gathering was lost
        known = [f'{array}:{offset}' for array, (_, offset) in zip(ids, arrays)]
        return ids, sbatch(gather, out / 'jobs' / 'gather.sh', *after, arguments=known)
    except BaseException:
        take_back(ids)
        raise


def numbers_in(text):
    """Of what Slurm writes for the tasks of an array: 1-3,7 or 1-9:2, with %N after it for N at once."""
    numbers = []
    for part in text.partition('%')[0].split(','):
        found = re.fullmatch(r'(\d+)(?:-(\d+)(?::(\d+))?)?', part.strip('[]'))
        if found:
            numbers += range(int(found[1]), int(found[2] or found[1]) + 1, int(found[3] or 1))
    return numbers


def tasks_and_states(job):
    """(numbers of tasks as Slurm writes them, state) of an array. The controller forgets a job some minutes after its end
    (MinJobAge); then the accounting knows, where there is one."""
    whole = os.environ | {'SLURM_BITSTR_LEN': '0'}  # no list of numbers is cut short
    asked = (['scontrol', 'show', 'job', '-o', job], ['sacct', '-n', '-P', '-X', '--array', '-j', job, '-o', 'JobID,State'])
    for command in asked:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=whole)
        except OSError:
            continue
        if command[0] == 'scontrol':
            jobs = [dict(w.split('=', 1) for w in line.split() if '=' in w) for line in done.stdout.splitlines()]
            found = [(words.get('ArrayTaskId', ''), words.get('JobState', '')) for words in jobs]
        else:
            found = [(line.partition('|')[0].partition('_')[2], line.partition('|')[2]) for line in done.stdout.splitlines()]
        if done.returncode == 0 and found:
            return found
    return []


def cancelled_groups(arrays):
    """Groups of cases whose tasks somebody cancelled, running or waiting. arrays: ID:OFFSET as submit gives them."""
    groups = set()
    for job, offset in (array.split(':') for array in arrays):
        for numbers, state in tasks_and_states(job):
            if state.startswith('CANCELLED'):
                groups |= {n + int(offset) for n in numbers_in(numbers)}
    return groups
