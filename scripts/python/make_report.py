"""Makes one HTML file of a plan that opens in any browser without a network, and PNGs for papers where asked.

example: scripts/report plan.h5 -o report.html --png figures
"""
import argparse
import pathlib
import sys

from atomic_write import keep_inputs, whole_file
from case_file import BadInput
from report.page import make_page
from report.plan_reader import read_plan, read_robustness
from report.metal import read_metal


def main():
    parser = argparse.ArgumentParser(prog='report', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('plan', type=pathlib.Path, metavar='PLAN.h5')
    parser.add_argument('-o', '--output', type=pathlib.Path, required=True, metavar='report.html')
    parser.add_argument('--png', type=pathlib.Path, metavar='DIR', help='also write views.png and dvh.png there')
    parser.add_argument('--robustness', type=pathlib.Path, metavar='FILE.h5',
                        help='what `spineplan robustness PLAN -o FILE.h5` has written: bands in the DVH, a table')
    parser.add_argument('--water', type=pathlib.Path, metavar='DOSE.h5',
                        help='what `spineplan dose CASE PLAN --hardware-as-water -o DOSE.h5` has written: the difference that '
                        'implants make, in numbers and a picture')
    parser.add_argument('--metal', type=pathlib.Path, metavar='DOSE.h5',
                        help='the dose with implants to compare it with (default: the plan\'s own)')
    parser.add_argument('--title', help='heading of the page (default: the file\'s name)')
    args = parser.parse_args()
    try:
        if args.metal and not args.water:
            raise BadInput('--metal is compared with --water: name both')
        keep_inputs(args.output, args.plan, args.robustness, args.water, args.metal)
        plan = read_plan(args.plan)
        if args.robustness:
            read_robustness(plan, args.robustness)
        if args.water:
            read_metal(plan, args.water, args.metal)
        with whole_file(args.output) as f:
            f.write(make_page(plan, args.title).encode())
        print(f'report: wrote {args.output} ({args.output.stat().st_size / 1e6:.1f} MB)', file=sys.stderr)
        if args.png:
            from report.figures import dvh_png, views_png
            args.png.mkdir(parents=True, exist_ok=True)
            views_png(plan, args.png / 'views.png')
            if plan.dvh:
                dvh_png(plan, args.png / 'dvh.png')
            print(f'report: wrote PNGs into {args.png}', file=sys.stderr)
    except (BadInput, OSError) as e:
        print(f'report: {e}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
