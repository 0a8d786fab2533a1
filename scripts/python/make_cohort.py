"""Plans every case of a folder on this machine: plans, reports, and one table of all, as CSV and HTML.

What is done is not done again; what has changed (a case, the options, the program) is. Ctrl-C stops, and the same command
goes on. Options of `spineplan plan` stand after --.

example: scripts/cohort cases -o results -- --protocol sc24-24gy-2fx --grid-mm 2.5
"""
import argparse
import pathlib
import shlex
import signal
import sys

from case_file import BadInput
from cohort.folder import Settings, check_results_folder, find_cases, only_one, program_path
from cohort.keys import Keys
from cohort.options import check_options
from cohort.program import Stop
from cohort.table import write_tables
from cohort.workers import choose_devices, run_all, tell


def add_common_arguments(parser):
    parser.add_argument('cases', type=pathlib.Path, metavar='CASES', help='folder of case files (*.h5)')
    parser.add_argument('-o', '--output', type=pathlib.Path, required=True, metavar='OUT', help='folder of the results')
    parser.add_argument('--dose', metavar='OPTIONS', help='also recalculate each plan by Monte Carlo; OPTIONS of spineplan '
                        'dose as one word, such as "--uncertainty 1%%"')
    parser.add_argument('--no-report', action='store_true', help='plans and table only')
    parser.add_argument('--retries', type=int, default=2, metavar='N',
                        help='how often a case is tried again when the device or a signal ended it (default 2)')


def split_at_dashes(arguments):
    if '--' not in arguments:
        return arguments, []
    at = arguments.index('--')
    return arguments[:at], arguments[at + 1:]


def settings_of(args, plan_options):
    try:
        dose = shlex.split(args.dose) if args.dose is not None else None
    except ValueError as e:
        raise BadInput(f'--dose {args.dose}: {str(e).lower()}') from None
    check_options(plan_options, 'plan')
    check_options(dose or [], 'dose')
    if args.retries < 0:
        raise BadInput('--retries must not be negative')
    cases = find_cases(args.cases, args.output)
    return Settings(cases, plan_options, dose, not args.no_report, args.retries, program_path(),
                    f'Cohort {args.cases.resolve().name}')


def make_folder(out):
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f'{out} is a file; -o names the folder of the results') from None
    except OSError as e:
        raise BadInput(f'{out}: {e.strerror}') from None


def run(args, plan_options):
    settings = settings_of(args, plan_options)
    out = args.output.resolve()
    check_results_folder(settings, out)
    keys = Keys(settings)
    devices = choose_devices(settings.program, args.device)
    make_folder(out)
    with only_one(out / '.lock') as mine:
        if not mine:
            raise BadInput(f'another scripts/cohort is at work in {out}')
        settings.save(out)
        stop = Stop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.ask())
        failed, complete = run_all(settings, keys, out, devices, args.jobs, stop)
        counts = write_tables(out, settings, keys)
    tell(f'cohort: {counts}; see {args.output}/cohort.html and cohort.csv')
    if not complete:
        tell('cohort: interrupted; the same command goes on')
        return 4
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(prog='cohort', description=__doc__, usage='cohort CASES -o OUT [options] [-- PLAN OPTIONS]',
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument('--device', metavar='N,N|all', help='devices to use, by their numbers (default: all GPUs; the '
                        'processor where there is none)')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='cases at a time on each device (default 1)')
    own, plan_options = split_at_dashes(sys.argv[1:])
    args = parser.parse_args(own)
    try:
        if args.jobs < 1:
            raise BadInput('--jobs must be at least 1')
        return run(args, plan_options)
    except (BadInput, OSError) as e:
        tell(f'cohort: {e}')
        return 2 if isinstance(e, BadInput) else 3


if __name__ == '__main__':
    sys.exit(main())
