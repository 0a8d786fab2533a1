"""Plans cases as step-and-shoot IMRT and as arcs, checks each plan against its machine, and prints a table: target D95 and
the D0.03cc of what the cord's limit stands on for fluence, apertures and the last dose by Monte Carlo, monitor units,
delivery and planning time.

Without CASE these are the phantoms thoracic-spine and postop-spine, and the TG-119 phantom and lumbar CT of tests/data.

example: scripts/try-delivery --work tried --grid-mm 2 thorax.h5
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import h5py

DATA = pathlib.Path(__file__).resolve().parents[2] / 'tests' / 'data'
PHANTOMS = ('thoracic-spine', 'postop-spine')
TECHNIQUES = ('imrt', 'vmat')
HEAD = ('case', 'technique', 'D95 fluence', 'apertures', 'last dose', 'cord fluence', 'apertures', 'last dose', 'limits',
        'segments', 'MU', 'MU/Gy', 'delivery s', 'planning s', 'processor s')


class Failed(Exception):
    pass


def run(log, *command):
    """Seconds by the clock and of the processors; what the command says goes to the log."""
    before, used = time.monotonic(), os.times()
    with open(log, 'a', encoding='utf-8') as out:
        status = subprocess.run([str(c) for c in command], stdout=out, stderr=out, check=False).returncode
    now = os.times()
    own = now.children_user + now.children_system - used.children_user - used.children_system
    return status, time.monotonic() - before, own


def core_value(evaluation):
    """What a case without a cord is judged by beside its target: the first upper limit on anything else."""
    target = evaluation['prescription']['target']
    for limit in evaluation['limits']:
        if limit['sense'] == 'at most' and limit['structure'] != target:
            return f"{limit['structure']} {limit['metric'].removesuffix('_Gy')} {limit['value']:.2f}"
    return ''


def row(name, technique, plan, seconds, processor):
    with h5py.File(plan) as f:
        said, evaluation = json.loads(f['provenance'][()]), json.loads(f['evaluation'][()])
    steps = [said[key] for key in ('fluence', 'apertures', 'last_dose')]
    cord = [f"{s['cord_d0.03cc_gy']:.2f}" if 'cord_d0.03cc_gy' in s else '' for s in steps]
    cord[2] = cord[2] or core_value(evaluation)
    missed = sum(not limit['met'] for limit in evaluation['limits'])
    fraction_gy = evaluation['prescription']['dose_gy'] / (evaluation['prescription']['fractions'] or 1)
    return (name, technique, *(f"{s['target_d95_gy']:.2f}" for s in steps), *cord, f'{missed} missed' if missed else 'met',
            str(said['segments']), f"{said['mu']:.0f}", f"{said['mu'] / fraction_gy:.0f}", f"{said['delivery_seconds']:.0f}",
            f'{seconds:.0f}', f'{processor:.0f}')


def cases(args):
    for path in args.cases:
        yield path.stem, path
    if args.cases:
        return
    for name in PHANTOMS:
        path = args.work / f'{name}.h5'
        if run(args.work / f'{name}.log', args.spineplan, 'phantom', name, '-o', path)[0]:
            raise Failed(f'spineplan phantom {name} failed: see {args.work / name}.log')
        yield name, path
    yield 'tg119', DATA / 'tg119.h5'
    yield 'lumbar', DATA / 'lumbar.h5'


def plan(args, name, case, technique):
    out, log = args.work / f'{name}-{technique}.h5', args.work / f'{name}-{technique}.log'
    for old in (log, out):
        old.unlink(missing_ok=True)
    status, seconds, processor = run(log, args.spineplan, 'plan', case, '-o', out, '--technique', technique, '--machine',
                                     args.machine, '--grid-mm', args.grid_mm, '--uncertainty', args.uncertainty)
    if status not in (0, 1):  # 1: a hard limit is missed, which the table says
        raise Failed(f'{name}, {technique}: planning ended with {status}: see {log}')
    if run(log, args.spineplan, 'check', out)[0]:
        raise Failed(f'{name}, {technique}: the machine cannot deliver it: see {log}')
    return row(name, technique, out, seconds, processor)


def main():
    parser = argparse.ArgumentParser(prog='try-delivery', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', type=pathlib.Path, metavar='CASE')
    parser.add_argument('--work', type=pathlib.Path, metavar='DIR', help='keep cases, plans and logs there')
    parser.add_argument('--grid-mm', default='2')
    parser.add_argument('--uncertainty', default='1%', help='of the last dose')
    parser.add_argument('--machine', default='generic-6fff')
    parser.add_argument('--technique', choices=TECHNIQUES, help='only this one')
    parser.add_argument('--spineplan', default='build/spineplan', help=argparse.SUPPRESS)
    args = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        args.work = args.work or pathlib.Path(folder)
        args.work.mkdir(parents=True, exist_ok=True)
        try:
            chosen = list(cases(args))
        except Failed as e:
            print(f'try-delivery: {e}', file=sys.stderr)
            return 1
        print('| ' + ' | '.join(HEAD) + ' |\n|' + '---|' * len(HEAD), flush=True)
        for name, case in chosen:
            for technique in TECHNIQUES:
                if args.technique in (None, technique):
                    try:
                        print('| ' + ' | '.join(plan(args, name, case, technique)) + ' |', flush=True)
                    except Failed as e:
                        failed = True
                        print(f'try-delivery: {e}', file=sys.stderr)
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
