"""Slurm jobs for a cohort or for the parts of a dose: an array, and one job after it that gathers."""
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
    """A value in an #SBATCH line. sbatch knows no escapes in its quotes."""
    if '"' in text or '\n' in text:
        raise BadInput(f'{text!r}: quotation marks and line ends cannot be given to sbatch')
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
             f'exec {shlex.quote(sys.executable)} {shlex.quote(str(TASK))} gather {shlex.quote(str(out))} {left}']
    return '\n'.join(lines) + '\n'


def groups_of(settings, numbers):
    """Cases that one task does one after another: their group's number is the task's."""
    return sorted({n // settings.slurm['cases_per_task'] for n in numbers})


def scripts_for(out, settings, numbers, most, left):
    """Job scripts for the cases of these numbers: arrays, and the one that gathers."""
    arrays = {}
    for group in groups_of(settings, numbers):
        arrays.setdefault(group // most, []).append(group)
    return ([array_script(out, settings.slurm, [g - a * most + 1 for g in groups], a * most - 1)
             for a, groups in arrays.items()], gather_script(out, settings.slurm, left))


def sbatch(script, path, *options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    try:
        done = subprocess.run(['sbatch', '--parsable', *options, str(path)], capture_output=True, text=True, check=False)
    except OSError as e:
        raise BadInput(f'sbatch: {e.strerror}; is Slurm here?') from None
    if done.returncode != 0:
        raise BadInput(f'sbatch refuses {path}: ' + (done.stderr.strip() or 'it does not say why'))
    return done.stdout.strip().split(';')[0]


def submit(out, settings, numbers, left):
    """Returns the ids of the arrays and that of the gathering job. left: how often it may submit what is lost again."""
    (out / 'logs').mkdir(parents=True, exist_ok=True)
    arrays, gather = scripts_for(out, settings, numbers, most_in_array(), left)
    ids = [sbatch(script, out / 'jobs' / f'array-{i + 1}.sh') for i, script in enumerate(arrays)]
    after = ['--dependency=afterany:' + ':'.join(ids)] if ids else []  # none where only the gathering was lost
    return ids, sbatch(gather, out / 'jobs' / 'gather.sh', *after)
