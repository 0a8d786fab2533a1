"""Slurm jobs: `cohort` plans every case of a folder, `dose` shares one Monte Carlo dose out by histories and merges it.

A job array does the work, one more job gathers: the cohort's table, or the merged dose, whose bits are those of one run.
Tasks that are pre-empted, or near their time limit, write a checkpoint and go back to the queue; lost ones are submitted
again. The same command, given again, submits what is not done yet. Options of `spineplan plan` or `spineplan dose` stand
after --.

examples: scripts/slurm cohort cases -o results --partition gpu --gpus 1 --cpus-per-task 4 --time 20 -- --grid-mm 2
          scripts/slurm dose case.h5 plan.h5 -o dose.h5 --parts 16 --gpus 1 --time 2:00:00 -- --histories 1e10
"""
import argparse
import pathlib
import shutil
import sys

from atomic_write import keep_inputs
from case_file import BadInput
from cohort.folder import Settings, check_results_folder, only_one, program_path, read_record, write_json
from cohort.keys import Keys, is_done
from cohort.options import check_options, files_named, option_value
from cohort.slurm import PASSED, scripts_for, submit, most_in_array
from cohort.table import tables_are_current
from make_cohort import add_common_arguments, make_folder, settings_of, split_at_dashes
from slurm_task import merged_already


def add_slurm_arguments(parser):
    group = parser.add_argument_group('given to sbatch as they are')
    for name in PASSED:
        group.add_argument(f'--{name}', metavar='X')
    group.add_argument('--sbatch', action='append', default=[], metavar='OPTION', help='any other, as --sbatch=--OPTION=X; '
                       'any number of times')
    group.add_argument('--sbatch-gather', action='append', default=[], metavar='OPTION', help='the same for the gathering '
                       'job, which has partition, account, qos and time of the array, and one processor')
    parser.add_argument('--at-once', type=int, metavar='N', help='so many tasks at a time at most')
    parser.add_argument('--grace', type=int, default=60, metavar='S',
                        help='seconds before the time limit at which a task stops and returns to the queue (default 60)')
    parser.add_argument('--name', help='of the jobs (default spineplan)', default='spineplan')
    parser.add_argument('--dry-run', action='store_true', help='print the job scripts, submit and write nothing')


def slurm_settings(args):
    if args.grace < 0 or (args.at_once is not None and args.at_once < 1):
        raise BadInput('--grace and --at-once must be positive')
    for option in args.sbatch + args.sbatch_gather:
        if not option.startswith('--') or '\n' in option:
            raise BadInput(f'--sbatch={option}: expected --sbatch=--OPTION=X')
    slurm = {name: getattr(args, name.replace('-', '_')) for name in PASSED}
    return {**{k: v for k, v in slurm.items() if v is not None}, 'name': args.name, 'grace': args.grace,
            'at_once': args.at_once, 'sbatch': args.sbatch, 'sbatch_gather': args.sbatch_gather,
            'cases_per_task': getattr(args, 'cases_per_task', 1), 'keep_parts': getattr(args, 'keep_parts', False)}


def cohort_settings(args, options):
    if args.cases_per_task < 1:
        raise BadInput('--cases-per-task must be at least 1')
    return settings_of(args, options), args.output.resolve()


def dose_settings(args, options):
    check_options(options, 'dose')
    if args.parts < 1 or args.retries < 0:
        raise BadInput('--parts must be at least 1, --retries not negative')
    if not any(o.split('=')[0] == '--histories' for o in options):
        raise BadInput('parts share out histories: give --histories N after --')
    if option_value(options, '--max-time', '--max') is not None:
        raise BadInput('--max-time is not for a dose in parts: a part that it ends early could not be merged')
    for path in filter(None, (args.case, args.plan)):
        if not path.is_file():
            raise BadInput(f'{path}: there is no such file')
    output = args.output.resolve()
    if output.exists() and not output.is_file():
        raise BadInput(f'{args.output} is not a regular file; -o names the merged dose')
    try:
        keep_inputs(output, args.case, args.plan, *files_named(options))
    except OSError as e:
        raise BadInput(str(e)) from None
    settings = Settings([str(args.case.resolve())], [], options, False, args.retries, program_path(),
                        parts=args.parts, plan=str(args.plan.resolve()) if args.plan else '', output=str(output))
    return settings, output.with_name(output.name + '.parts')


def forget_failures(places):
    """A failure of an earlier run must not hide that a task of this one was lost."""
    for place in places:
        record = read_record(place.record)
        if record and record.get('status') in ('failed', 'cancelled'):
            write_json(place.record, record | {'status': 'submitted', 'timed_out': 0})


def parse():
    parser = argparse.ArgumentParser(prog='slurm', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest='kind', required=True)
    cohort = kinds.add_parser('cohort', usage='slurm cohort CASES -o OUT [options] [-- PLAN OPTIONS]')
    add_common_arguments(cohort)
    cohort.add_argument('--cases-per-task', type=int, default=1, metavar='N',
                        help='cases that a task of the array does one after another (default 1)')
    add_slurm_arguments(cohort)
    dose = kinds.add_parser('dose', usage='slurm dose CASE [PLAN] -o DOSE --parts N [options] -- DOSE OPTIONS')
    dose.add_argument('case', type=pathlib.Path, metavar='CASE')
    dose.add_argument('plan', type=pathlib.Path, nargs='?', metavar='PLAN', help='none for a field (--source after --)')
    dose.add_argument('-o', '--output', type=pathlib.Path, required=True, metavar='DOSE')
    dose.add_argument('--parts', type=int, required=True, metavar='N')
    dose.add_argument('--retries', type=int, default=2, metavar='N', help='how often what was lost is tried again (default 2)')
    dose.add_argument('--keep-parts', action='store_true', help='the parts stay beside the merged dose')
    add_slurm_arguments(dose)
    own, options = split_at_dashes(sys.argv[1:])
    return parser.parse_args(own), options


def run(args, options):
    settings, out = (cohort_settings if args.kind == 'cohort' else dose_settings)(args, options)
    settings.slurm = slurm_settings(args)
    check_results_folder(settings, out)
    keys = Keys(settings)
    undone = [i for i, place in enumerate(settings.places(out)) if not is_done(settings, keys, place)]
    if settings.parts and merged_already(out, settings, keys):
        undone = []
        gathered = True
    else:
        gathered = not settings.parts and tables_are_current(out, settings, keys)
    if not undone and gathered:
        print(f'slurm: nothing to do, all of {out} is done', file=sys.stderr)
        return 0
    if args.dry_run:
        arrays, gather = scripts_for(out, settings, undone, most_in_array(), args.retries)
        after = ['# after all tasks of it, whatever became of them:'] if arrays else []
        print('\n'.join([*(script for script, _ in arrays), *after, gather]), end='')
        return 0
    if not shutil.which('sbatch'):
        raise BadInput('there is no sbatch here; --dry-run shows the job scripts, scripts/cohort works without Slurm')
    make_folder(out)
    with only_one(out / '.lock') as mine:
        if not mine:
            raise BadInput(f'a scripts/cohort is at work in {out}')
        settings.save(out)
        forget_failures(settings.places(out))
        ids, after = submit(out, settings, undone, args.retries)
    what = f'{len(undone)} of {len(settings.places(out))} submitted as {", ".join(ids)}' if ids else 'all tasks are done'
    print(f'slurm: {what}; {after} gathers; logs are in {out}/logs', file=sys.stderr)
    print(after)
    return 0


def main():
    args, options = parse()
    try:
        return run(args, options)
    except (BadInput, OSError) as e:
        print(f'slurm: {e}', file=sys.stderr)
        return 2 if isinstance(e, BadInput) else 3


if __name__ == '__main__':
    sys.exit(main())
