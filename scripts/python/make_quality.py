"""Plans phantoms and real cases by every protocol of 1 to 5 fractions and prints a table of plan quality (Markdown).

Each evaluation is kept as FOLDER/CASE.PROTOCOL.json: what is there is not planned again, so that the command goes on where it
was stopped. All of it takes hours on two cores.

example: scripts/quality -o quality --only thoracic-2:sc24-24gy-2fx,thoracic-0
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

from atomic_write import whole_path
from case_file import BadInput
from cohort.folder import program_path

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = ('--beams', 'around', '--bixel-mm', '2.5', '--target-weight', '4')
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


def chosen(only, program):
    """Pairs of case and protocol: all, or those that --only names (CASE, CASE:PROTOCOL)."""
    for word in only.split(',') if only else CASES:
        case, _, protocol = word.partition(':')
        if case not in CASES:
            raise BadInput(f'no case {case}; there are {", ".join(CASES)}')
        known = protocols_for(case, program)
        if protocol and protocol not in known:
            raise BadInput(f'{case} is not planned by {protocol}, but by {", ".join(known)}')
        yield from ((case, name) for name in ([protocol] if protocol else known))


def make_case(case, folder, program):
    if isinstance(CASES[case], pathlib.Path):
        return CASES[case]
    path = folder / f'{case}.h5'
    if not path.exists():
        subprocess.run([program, '-q', 'phantom', *CASES[case], '-o', path], check=True)
    return path


def evaluation(case, protocol, folder, program, options):
    kept = folder / f'{case}.{protocol}.json'
    if not kept.exists():
        print(f'{case} by {protocol}', file=sys.stderr, flush=True)
        plan = folder / f'{case}.{protocol}.h5'
        done = subprocess.run([program, '-q', 'plan', make_case(case, folder, program), '-o', plan, '--protocol', protocol,
                               '--json', *SETTINGS, *options], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 1):
            raise BadInput(f'spineplan plan ended with exit status {done.returncode}')
        with whole_path(kept) as temporary:
            pathlib.Path(temporary).write_text(done.stdout)
    return json.loads(kept.read_text())


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


def row(case, protocol, e):
    v = figures(e)
    missed = [f"{m['structure']} {m['metric']}" for m in e['limits'] if not m['met']]
    cells = [case, protocol] + ['–' if v[k] is None else f'{v[k]:.{d}f}' for k, d in (
        ('PRV D0.03cc', 2), ('PTV V100', 1), ('PTV D95', 2), ('GTV D98', 1), ('CI', 2), ('GI', 2), ('fall-off', 1),
        ('hot spot', 0))]
    return '| ' + ' | '.join(cells + [', '.join(missed) or 'all met',
                                      goals_text(v) if protocol.endswith('24gy-2fx') else '']) + ' |'


def goals_text(v):
    must, good = fails(v, MUST), fails(v, GOOD)
    return 'good' if not good else ('below "must": ' + ', '.join(must) + '; ' if must else '') + \
        'not "good": ' + ', '.join(good)


HEAD = ('case', 'protocol', 'PRV D0.03cc, Gy', 'PTV V100, %', 'PTV D95, Gy', 'GTV D98, Gy', 'Paddick', 'GI',
        'fall-off, %/mm', 'hot spot, %', 'limits', 'goals for 24/2')


def main():
    parser = argparse.ArgumentParser(prog='quality', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--output', type=pathlib.Path, default=pathlib.Path('quality'), metavar='FOLDER')
    parser.add_argument('--only', metavar='CASE[:PROTOCOL],...', help='these instead of all')
    parser.add_argument('--plan-options', default='', metavar='OPTIONS',
                        help='more options of spineplan plan, as one word ("--engine mc", "--technique vmat")')
    args = parser.parse_args()
    try:
        program = program_path()
        args.output.mkdir(parents=True, exist_ok=True)
        pairs = list(chosen(args.only, program))
        rows = [row(case, protocol, evaluation(case, protocol, args.output, program, args.plan_options.split()))
                for case, protocol in pairs]
    except (BadInput, OSError, subprocess.CalledProcessError) as e:
        print(f'quality: {e}', file=sys.stderr)
        return 2
    print('| ' + ' | '.join(HEAD) + ' |', '|' + '---|' * len(HEAD), *rows, sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
