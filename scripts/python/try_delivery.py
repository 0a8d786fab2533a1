"""Plans cases as step-and-shoot IMRT and as arcs, lets `spineplan check` judge each plan, and prints a table of what fluence,
apertures and the last dose by Monte Carlo reach: objective, target D95 and the D0.03cc that the cord's limit stands on
(the core's D10 for TG-119), with segments, monitor units, delivery and planning time.

Without CASE these are the phantoms thoracic-spine and postop-spine, and of tests/data TG-119 in its easier and harder
version and the lumbar and thorax CT.

With --work each row is kept there as JSON: started again with the same settings, only rows that are missing are planned.

example: scripts/try-delivery --work tried --uncertainty 2%
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / 'tests' / 'data'
PHANTOMS = ('thoracic-spine', 'postop-spine')
# Ezzell et al., Med. Phys. 36 (2009) 5359, C-shape: what deliverable plans of its nine centres reached on average is asked for here,
# the core's D10 and the target's D10 (D95 is 50 Gy in both versions).
TG119 = {'tg119-easier': {'core_d10_gy': 22.0, 'target_d10_gy': 54.4, 'published': 'D95 50.10, D10 54.40, core D10 22.00'},
         'tg119-harder': {'core_d10_gy': 16.3, 'target_d10_gy': 57.0, 'published': 'D95 50.11, D10 57.02, core D10 16.30'}}
# nine beams, as most published plans of step and shoot have them, from behind and the sides in the spine; ten segments each
SEGMENTS = ('--segments', '90')
SPINE_BEAMS = ('--beams', '100,120,140,160,180,200,220,240,260', *SEGMENTS)
TECHNIQUES = ('imrt', 'vmat')
STEPS = ('fluence', 'apertures', 'last_dose')
HEAD = ('case', 'technique', 'objective', 'target D95, Gy', 'cord D0.03cc, Gy', 'D95 lost at the same cord dose',
        'limits', 'segments', 'MU', 'MU/Gy', 'delivery, s', 'planning, s', 'processor, s')


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


def metric(evaluation, structure, name):
    for s in evaluation['structures']:
        if s['name'] == structure:
            return s['metrics'].get(name)
    return None


def lost_at_same_cord(fluence, last):
    """Share of D95 that the fluence has more than the last dose, the fluence scaled to the same cord D0.03cc."""
    cords = [step.get('cord_d0.03cc_gy') for step in (last, fluence)]
    scale = 1 if None in cords else cords[0] / cords[1]
    return 1 - last['target_d95_gy'] / (scale * fluence['target_d95_gy'])


def result(name, technique, plan, deliverable, seconds, processor):
    """All that a row tells, for JSON."""
    with h5py.File(plan) as f:
        said, evaluation = json.loads(f['provenance'][()]), json.loads(f['evaluation'][()])
    target = evaluation['prescription']['target']
    dose, fractions = evaluation['prescription']['dose_gy'], evaluation['prescription']['fractions'] or 1
    steps = {key: said[key] for key in STEPS}
    core = metric(evaluation, 'Core', 'D10_Gy')
    return {'case': name, 'technique': technique, **steps, 'core_d10_gy': core,
            'target_d10_gy': metric(evaluation, target, 'D10_Gy'),
            'limits_missed': [f"{x['structure']} {x['metric']} {x['value']:.2f} {x['unit']}"
                              for x in evaluation['limits'] if not x['met']],
            'segments': said['segments'], 'mu': said['mu'], 'mu_per_gy': said['mu'] * fractions / dose,
            'delivery_seconds': said['delivery_seconds'], 'planning_seconds': seconds, 'processor_seconds': processor,
            'deliverable': deliverable}


def line(r):
    def all_steps(key, form):
        values = [r[s].get(key) for s in STEPS]
        return ' → '.join(format(v, form) for v in values) if None not in values else ''

    cord = all_steps('cord_d0.03cc_gy', '.2f')
    if not cord and r['core_d10_gy'] is not None:
        cord = f"core D10 {r['core_d10_gy']:.2f}, target D10 {r['target_d10_gy']:.2f}"
        if r['case'] in TG119:
            cord += f" (published: {TG119[r['case']]['published']})"
    limits = 'missed: ' + ', '.join(r['limits_missed']) if r['limits_missed'] else 'met'
    cells = (r['case'], r['technique'], all_steps('objective', '.4g'), all_steps('target_d95_gy', '.2f'), cord,
             f"{100 * lost_at_same_cord(r['fluence'], r['last_dose']):.1f} %",
             limits if r['deliverable'] else 'NOT DELIVERABLE; ' + limits, str(r['segments']), f"{r['mu']:.0f}", f"{r['mu_per_gy']:.0f}", f"{r['delivery_seconds']:.0f}", f"{r['planning_seconds']:.0f}",
             f"{r['processor_seconds']:.0f}")
    return '| ' + ' | '.join(cells) + ' |'


def tg119_protocol(work, name):
    """Hard limits that a deliverable plan can hold together; those of the shipped protocol are what a fluence can."""
    asked = TG119[name]
    limits = (('role:target', 'D95%', 'at_least', 50.0), ('role:target', 'D10%', 'at_most', asked['target_d10_gy']),
              ('Core', 'D10%', 'at_most', asked['core_d10_gy']))
    source = '"Ezzell GA, et al. (AAPM TG-119) Med Phys 2009;36:5359-5373, C-shape, mean of deliverable plans"'
    path = work / f'{name}.yaml'
    path.write_text(f'name: {name}\ntitle: "AAPM TG-119 C-shape, as deliverable plans reached it ({name[6:]} version)"\n'
                    f'source: {source}\ndose_gy: 50\nfractions: 25\nmax_dose_percent: 118\nlimits:\n' +
                    ''.join(f'  - structure: {s}\n    metric: {m}\n    {sense}: {value:g}\n    hard: yes\n    source: {source}\n'
                            for s, m, sense, value in limits), encoding='utf-8')
    return path


def cases(args):
    """(name, case, further options of spineplan plan by technique)"""
    for path in args.cases:
        yield path.stem, path, {}
    if args.cases:
        return
    for name in PHANTOMS:
        path = args.work / f'{name}.h5'
        if not path.exists() and run(args.work / f'{name}.log', args.spineplan, 'phantom', name, '-o', path)[0]:
            raise Failed(f'spineplan phantom {name} failed: see {args.work / name}.log')
        yield name, path, {'imrt': SPINE_BEAMS}
    for name in TG119:
        protocol = ('--protocol', tg119_protocol(args.work, name))
        yield name, DATA / 'tg119.h5', {'imrt': (*protocol, *SEGMENTS), 'vmat': protocol}
    for name in ('lumbar', 'thorax'):
        yield name, DATA / f'{name}.h5', {'imrt': SPINE_BEAMS}


def plan(args, name, case, technique, further):
    """The row, read from where it is kept or planned now."""
    stem = args.work / (f'{name}-{technique}' + (f'-seed{args.seed}' if args.seed != '1' else ''))
    further = (*further, *(('--seed', args.seed) if args.seed != '1' else ()))
    kept, out, log = (stem.with_name(stem.name + end) for end in ('.json', '.h5', '.log'))
    settings = {'grid_mm': args.grid_mm, 'uncertainty': args.uncertainty, 'machine': args.machine, 'case': case.name,
                'further': [p.name if isinstance(p, pathlib.Path) else p for p in further]}
    try:
        old = json.loads(kept.read_text(encoding='utf-8'))
        if old['settings'] == settings:
            return old
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for old in (kept, log, out):
        old.unlink(missing_ok=True)
    status, seconds, processor = run(log, args.spineplan, '-v', 'plan', case, '-o', out, '--technique', technique, '--machine',
                                     args.machine, '--grid-mm', args.grid_mm, '--uncertainty', args.uncertainty, *further)
    if status not in (0, 1):  # 1: a hard limit is missed, which the table says
        raise Failed(f'{name}, {technique}: planning ended with {status}: see {log}')
    judged = run(log, args.spineplan, 'check', out)[0]
    if judged not in (0, 1):
        raise Failed(f'{name}, {technique}: spineplan check ended with {judged}: see {log}')
    r = {**result(name, technique, out, judged == 0, seconds, processor), 'settings': settings}
    part = kept.with_suffix('.part')
    part.write_text(json.dumps(r, indent=1) + '\n', encoding='utf-8')
    part.replace(kept)
    return r


def main():
    parser = argparse.ArgumentParser(prog='try-delivery', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', type=pathlib.Path, metavar='CASE')
    parser.add_argument('--work', type=pathlib.Path, metavar='DIR', help='keep cases, plans, logs and rows there')
    parser.add_argument('--grid-mm', default='2')
    parser.add_argument('--uncertainty', default='1%', help='of the last dose')
    parser.add_argument('--machine', default='generic-6fff')
    parser.add_argument('--technique', choices=TECHNIQUES, help='only this one')
    parser.add_argument('--only', metavar='NAME,...', help='only these of the cases without CASE')
    parser.add_argument('--seed', default='1', help='of Monte Carlo (default 1): other seeds tell how far its noise moves a row')
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
        if args.only:
            unknown = set(args.only.split(',')) - {c[0] for c in chosen}
            if unknown:
                parser.error(f'no case {", ".join(sorted(unknown))}; there are {", ".join(c[0] for c in chosen)}')
            chosen = [c for c in chosen if c[0] in args.only.split(',')]
        print('| ' + ' | '.join(HEAD) + ' |\n|' + '---|' * len(HEAD), flush=True)
        for name, case, further in chosen:
            for technique in TECHNIQUES:
                if args.technique in (None, technique):
                    try:
                        r = plan(args, name, case, technique, further.get(technique, ()))
                        print(line(r), flush=True)
                        failed |= not r['deliverable']
                    except Failed as e:
                        failed = True
                        print(f'try-delivery: {e}', file=sys.stderr)
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
