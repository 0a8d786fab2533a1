"""Plans phantoms and real cases by every protocol of 1 to 5 fractions and prints a table of plan quality (Markdown).

Each row is kept as FOLDER/CASE.PROTOCOL[.TECHNIQUE].json: what is there is not planned again, so that the command goes on
where it was stopped (--minutes stops it by itself between two rows). A row that fails is told in the table, and tried again
the next time. All of it takes hours on two cores.

Real cases beyond the lumbar one of tests/data are named by --case: docs/quality.md tells how those of the table were made.

example: scripts/quality -o quality --only thoracic-2:sc24-24gy-2fx,thoracic-0 --technique imrt --minutes 30
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

from atomic_write import whole_path
from case_file import BadInput
from cohort.folder import program_path

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = {f'thoracic-{g}': ('thoracic-spine', '--epidural-grade', str(g)) for g in range(4)}
CASES |= {'postop': ('postop-spine',), 'lumbar': ROOT / 'tests' / 'data' / 'lumbar.h5'}
# Goals for a synthetic spine case at 24 Gy in 2 fractions: what must be and what is good
MUST = {'PRV D0.03cc': 17, 'PTV V100': 80, 'PTV D95': 22.8, 'GTV D98': 18, 'CI': 0.65, 'GI': 5, 'fall-off': 10, 'hot spot': 150}
GOOD = {'PRV D0.03cc': 16, 'PTV V100': 90, 'PTV D95': 24, 'GTV D98': 21, 'CI': 0.80, 'GI': 3.7, 'fall-off': 14, 'hot spot': 135}
AT_MOST = ('PRV D0.03cc', 'GI', 'hot spot')


def fractions_of(protocol):
    return int(re.search(r'(\d+)fx$', protocol).group(1))


def protocols_for(case, program):
    names = subprocess.run([program, 'evaluate', '--list-protocols'], check=True, capture_output=True,
                           text=True).stdout.split()
    names = [n for n in names if re.search(r'\dfx$', n) and fractions_of(n) <= 5]
    return sorted((n for n in names if n.startswith('postop') <= (case == 'postop')), key=lambda n: (fractions_of(n), n))


def own_cases(words):
    """{name: file} of --case NAME=FILE ..."""
    found = {}
    for word in words:
        name, _, path = word.partition('=')
        if not path or not re.fullmatch(r'[\w-]+', name):
            raise BadInput(f"--case is '{word}', expected NAME=CASE.h5 with a name of letters, digits and -")
        if name in CASES or name in found:
            raise BadInput(f'there are two cases {name}')
        if not pathlib.Path(path).is_file():
            raise BadInput(f'--case {name}: there is no file {path}')
        found[name] = pathlib.Path(path)
    return found


def chosen(only, program, cases=None):
    """Pairs of case and protocol: all, or those that --only names (CASE, CASE:PROTOCOL)."""
    cases = cases or CASES
    for word in only.split(',') if only else cases:
        case, _, protocol = word.partition(':')
        if case not in cases:
            raise BadInput(f'no case {case}; there are {", ".join(cases)}')
        known = protocols_for(case, program)
        if protocol and protocol not in known:
            raise BadInput(f'{case} is not planned by {protocol}, but by {", ".join(known)}')
        yield from ((case, name) for name in ([protocol] if protocol else known))


def make_case(case, folder, program, cases=None):
    source = (cases or CASES)[case]
    if isinstance(source, pathlib.Path):
        return source
    path = folder / f'{case}.h5'
    if not path.exists():
        with whole_path(path) as temporary:
            subprocess.run([program, '-q', 'phantom', *source, '-o', temporary], check=True)
    return path


class NoPlan(Exception):
    """Why a row has no figures."""


def evaluation(case, protocol, folder, program, options, cases=None, technique='fluence', keep_plans=False, in_time=lambda: True):
    """The evaluation kept, or that of a plan made now; NoPlan where there is no time left or no plan came of it."""
    stem = f'{case}.{protocol}' + ('' if technique == 'fluence' else f'.{technique}')
    kept, plan = folder / f'{stem}.json', folder / f'{stem}.h5'
    words = ['--protocol', protocol, '--technique', technique, *options]
    if kept.exists():
        told = json.loads(kept.read_text())
        made_with = told.get('quality_options')
        if made_with not in (None, words):
            print(f'quality: {kept} was made with {" ".join(made_with)}; delete it to plan anew', file=sys.stderr)
        return told
    if not in_time():
        raise NoPlan('not planned yet')
    print(f'{stem}', file=sys.stderr, flush=True)
    started = time.monotonic()
    done = subprocess.run([program, '-q', 'plan', make_case(case, folder, program, cases), '-o', plan, '--json', *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stderr)
    try:
        if done.returncode not in (0, 1):
            raise NoPlan((done.stderr.strip().splitlines() or [f'exit status {done.returncode}'])[-1])
        told = json.loads(done.stdout)
    except ValueError:
        raise NoPlan('its evaluation cannot be read') from None
    finally:
        if not keep_plans:
            plan.unlink(missing_ok=True)
    told |= {'quality_options': words, 'quality_seconds': round(time.monotonic() - started, 1)}
    with whole_path(kept) as temporary:
        pathlib.Path(temporary).write_text(json.dumps(told))
    return told


def figures(e):
    """What the table shows; None where there is no such structure."""
    by_role = {}
    for s in e['structures']:
        by_role.setdefault(s['role'], s['metrics'])
    target = next(s['metrics'] for s in e['structures'] if s['name'] == e['prescription']['target'])
    gtv, prv = by_role.get('gtv', {}), by_role.get('prv', by_role.get('cord', {}))
    return {'PRV D0.03cc': prv.get('D0.03cc_Gy'), 'PTV V100': target['V100_pct'], 'PTV D95': target['D95_Gy'],
            'GTV D98': gtv.get('D98_Gy'), 'CI': e['paddick_ci'], 'GI': e['gradient_index'],
            'fall-off': e.get('fall_off_pct_per_mm'), 'hot spot': e['hot_spot_pct']}


def fails(values, goals):
    return [name for name, goal in goals.items() if values[name] is not None and
            (values[name] > goal + 0.005 if name in AT_MOST else values[name] < goal - 0.005)]


def sigma_text(e):
    """The dose's standard uncertainty where it is Monte Carlo's."""
    sigma = e.get('provenance', {}).get('uncertainty')
    return '–' if sigma is None else f'{100.0 * sigma:.1f}'


def mu_text(e):
    """Monitor units of a fraction of a plan that can be delivered."""
    mu = e.get('provenance', {}).get('mu')
    return '–' if mu is None else f'{mu:.0f}'


def row(case, protocol, e):
    v = figures(e)
    missed = [f"{m['structure']} {m['metric']}" for m in e['limits'] if not m['met']]
    cells = [case, protocol] + ['–' if v[k] is None else f'{v[k]:.{d}f}' for k, d in (
        ('PRV D0.03cc', 2), ('PTV V100', 1), ('PTV D95', 2), ('GTV D98', 1), ('CI', 2), ('GI', 2), ('fall-off', 1),
        ('hot spot', 0))]
    return '| ' + ' | '.join(cells + [mu_text(e), sigma_text(e), ', '.join(missed) or 'all met',
                                      goals_text(v) if protocol.endswith('24gy-2fx') else '']) + ' |'


def goals_text(v):
    must, good = fails(v, MUST), fails(v, GOOD)
    return 'good' if not good else ('below "must": ' + ', '.join(must) + '; ' if must else '') + \
        'not "good": ' + ', '.join(good)


HEAD = ('case', 'protocol', 'PRV D0.03cc, Gy', 'PTV V100, %', 'PTV D95, Gy', 'GTV D98, Gy', 'Paddick', 'GI',
        'fall-off, %/mm', 'hot spot, %', 'MU', 'sigma, %', 'limits', 'goals for 24/2')


def empty_row(case, protocol, why):
    return '| ' + ' | '.join([case, protocol] + [''] * (len(HEAD) - 4) + [why, '']) + ' |'


def arguments():
    parser = argparse.ArgumentParser(prog='quality', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--output', type=pathlib.Path, default=pathlib.Path('quality'), metavar='FOLDER')
    parser.add_argument('--only', metavar='CASE[:PROTOCOL],...', help='these instead of all')
    parser.add_argument('--case', action='append', default=[], metavar='NAME=CASE.h5', help='one more case; may be repeated')
    parser.add_argument('--technique', choices=('fluence', 'imrt', 'vmat'), default='fluence',
                        help='imrt, vmat: deliverable plans, their last dose by Monte Carlo')
    parser.add_argument('--minutes', type=float, metavar='M', help='begin no row after M minutes')
    parser.add_argument('--keep-plans', action='store_true', help='keep the plan files too (some MB each)')
    parser.add_argument('--plan-options', default='', metavar='OPTIONS',
                        help='more options of spineplan plan, as one word ("--grid-mm 3 --uncertainty 0.5%%")')
    return parser.parse_args()


def main():
    args = arguments()
    end = time.monotonic() + 60.0 * args.minutes if args.minutes is not None else float('inf')
    rows, whole = [], True
    try:
        program, cases = program_path(), CASES | own_cases(args.case)
        args.output.mkdir(parents=True, exist_ok=True)
        for case, protocol in list(chosen(args.only, program, cases)):
            try:
                rows.append(row(case, protocol, evaluation(
                    case, protocol, args.output, program, args.plan_options.split(), cases, args.technique, args.keep_plans,
                    lambda: time.monotonic() < end)))
            except (NoPlan, subprocess.CalledProcessError) as e:
                whole = False
                rows.append(empty_row(case, protocol, str(e).replace('|', '/')))
    except (BadInput, OSError) as e:
        print(f'quality: {e}', file=sys.stderr)
        return 2
    print('| ' + ' | '.join(HEAD) + ' |', '|' + '---|' * len(HEAD), *rows, sep='\n')
    return 0 if whole else 1


if __name__ == '__main__':
    sys.exit(main())
