"""Draws the front that `spineplan tradeoff CASE -o FOLDER` has made: dose of the cord against coverage of the target.

example: scripts/tradeoff front -o front.png
"""
import argparse
import json
import pathlib
import sys

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)

from atomic_write import save_figure  # noqa: E402
from case_file import BadInput  # noqa: E402

DPI = 300


def read_front(folder):
    path = folder / 'tradeoff.json'
    try:
        front = json.loads(path.read_text())
    except OSError as e:
        raise BadInput(f'{path}: {e.strerror}') from None
    except ValueError as e:
        raise BadInput(f'{path} is no JSON: {e}') from None
    if front.get('format') != 'spineplan-tradeoff' or not front.get('plans'):
        raise BadInput(f'{path} is no front of `spineplan tradeoff`')
    return front


def plot(front, path):
    plans, limit = front['plans'], front['plans'][0]['limits'][0]
    x = [p['limits'][0]['value'] for p in plans]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout='constrained', sharex=True)
    left.plot(x, [p['V100_pct'] for p in plans], 'o-', color='#c8324b')
    left.set_ylabel(f"{plans[0]['target']} V100 (%)")
    right.plot(x, [p['D95_Gy'] for p in plans], 'o-', color='#c8324b', label=f"{plans[0]['target']} D95")
    if plans[0]['gtv_D98_Gy'] is not None:
        right.plot(x, [p['gtv_D98_Gy'] for p in plans], 's-', color='#e07b39', label='GTV D98')
    right.axhline(front['dose_gy'], color='0.4', linewidth=0.8, linestyle=':')
    right.set_ylabel('Dose (Gy)')
    right.legend(fontsize=8, frameon=False)
    metric = limit['metric'].removesuffix('_Gy')
    for ax in (left, right):
        ax.axvline(limit['protocol'], color='0.4', linewidth=0.8, linestyle=':')
        ax.set_xlabel(f"{limit['structure']} {metric} (Gy)")
        ax.grid(color='0.9', linewidth=0.6)
        ax.spines[['top', 'right']].set_visible(False)
    for p, at in zip(plans, x):
        left.annotate(p['file'].removesuffix('.h5').removeprefix('plan-'), (at, p['V100_pct']), fontsize=7,
                      textcoords='offset points', xytext=(4, -9))
    figure.suptitle(f"{front['protocol']}, {front['dose_gy']:g} Gy; dotted: the protocol's limit, the prescription",
                    fontsize=9)
    save_figure(figure, path, DPI)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(prog='tradeoff', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=pathlib.Path, metavar='FOLDER')
    parser.add_argument('-o', '--output', type=pathlib.Path, required=True, metavar='front.png')
    args = parser.parse_args()
    try:
        plot(read_front(args.folder), args.output)
    except (BadInput, OSError) as e:
        print(f'tradeoff: {e}', file=sys.stderr)
        return 2
    print(f'tradeoff: wrote {args.output}', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
