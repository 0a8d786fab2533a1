"""Draws what `spineplan commission` left in NEW.json: measured points, the curves before and after, gamma of 1 %, 1 mm.

example: scripts/commission mine.json -o mine.png
"""
import argparse
import json
import pathlib
import sys

import matplotlib
import numpy as np

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)

from atomic_write import save_figure  # noqa: E402
from case_file import BadInput  # noqa: E402

DPI, COLUMNS = 110, 3


def read(path):
    try:
        found = json.loads(path.read_text())
    except OSError as e:
        raise BadInput(f'{path}: {e.strerror}') from None
    except ValueError as e:
        raise BadInput(f'{path} is no JSON: {e}') from None
    if not isinstance(found, dict) or not isinstance(found.get('scans'), list) or 'parameters' not in found:
        raise BadInput(f'{path} does not come from spineplan commission: it has no scans')
    return found


def passed(result):
    return 100.0 * result['passed'] / result['judged'] if result['judged'] else 100.0


def places(scan):
    key = {'depth dose': 'depth_mm', 'profile': 'at_mm', 'sweeping gap': 'gap_mm'}.get(scan['kind'])
    return [p[key] if key else np.sqrt(np.prod(p['field_mm'])) for p in scan['points']]


def draw(axes, scan):
    at, dose = np.array(places(scan)), np.array([p['dose'] for p in scan['points']])
    axes.plot(at, dose, 'k.', ms=2.5, label='measured')
    for name, colour in (('before', 'tab:orange'), ('after', 'tab:blue')):
        result, label = scan[name], f'{name}: {passed(scan[name]):.1f} % pass'
        if result['curve']:
            axes.plot(result['curve_mm'], result['curve'], color=colour, lw=1, label=label)
        else:
            axes.plot(at, result['computed'], '+' if name == 'after' else 'x', color=colour, label=label)
    axes.set_title(scan['what'], fontsize=8)
    axes.set_xlabel({'depth dose': 'depth, mm', 'profile': 'from the axis, mm', 'sweeping gap': 'gap, mm'}.get(
        scan['kind'], 'side of the equal square, mm'), fontsize=7)
    axes.tick_params(labelsize=6)
    axes.legend(fontsize=6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('json', type=pathlib.Path, help='NEW.json of spineplan commission')
    parser.add_argument('-o', '--output', type=pathlib.Path, required=True, help='the picture, a PNG')
    args = parser.parse_args()
    try:
        found = read(args.json)
        scans = found['scans']
        rows = max(1, -(-len(scans) // COLUMNS))
        figure, axes = plt.subplots(rows, COLUMNS, figsize=(4 * COLUMNS, 2.7 * rows), squeeze=False)
        for place, scan in zip(axes.flat, scans, strict=False):
            draw(place, scan)
        for place in axes.flat[len(scans):]:
            place.axis('off')
        figure.suptitle(f"{found['machine']}, measured in {found['measured']}", fontsize=9)
        figure.tight_layout()
        save_figure(figure, args.output, DPI)
    except (KeyError, TypeError, ValueError, AttributeError):
        print(f'commission: {args.json} does not come from spineplan commission: its scans are no scans', file=sys.stderr)
        return 2
    except (BadInput, OSError) as e:
        print(f'commission: {e}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
