"""Makes a case of a DICOM folder: one CT series and the RTSTRUCT drawn on it.

Files may lie in any order and in subfolders. Roles (body, target, cord ...) come from the structures' types and names.

example: scripts/dicom2case ~/scan -o case.h5 --target PTV --target-dose 24 --fractions 2 --protocol sc24-24gy-2fx
"""
import argparse
import pathlib
import sys

from case_file import (BadInput, Case, add_case_arguments, keep_single_roles, parse_roles, prescription_from,
                       write_case)
from dicom_ct import choose_series, read_series, scan_folder
from dicom_structures import choose_sets, read_structures
from rule_target import make_target


def say(text):
    print(f'dicom2case: {text}', file=sys.stderr)


def read_folder(args):
    found = scan_folder(args.folder)
    series_uid = choose_series(found, args.series)
    headers = found.series[series_uid]
    case = Case(*read_series(headers, say), source=args.source or f'DICOM series {series_uid}')
    nz, ny, nx = case.hu.shape
    say(f'CT {nx} x {ny} x {nz} voxels of {" x ".join(f"{v:g}" for v in case.spacing_mm)} mm')
    sets = choose_sets(found, series_uid, str(headers[0].get('FrameOfReferenceUID', '')), args.structures)
    if not sets:
        say('no RTSTRUCT belongs to this series: the case will have no structures')
    read_structures(sets, case, parse_roles(args.role), args.keep, say)
    return case


def main():
    parser = argparse.ArgumentParser(prog='dicom2case', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=pathlib.Path)
    add_case_arguments(parser)
    parser.add_argument('--series', metavar='UID', help='CT series, where there are several: number, UID or its end')
    parser.add_argument('--structures', type=pathlib.Path, metavar='FILE',
                        help='the RTSTRUCT to take (default: all that belong to the series)')
    parser.add_argument('--source', metavar='TEXT', help='where the data come from, kept in the case')
    args = parser.parse_args()
    try:
        case = read_folder(args)
        keep_single_roles(case.structures, say)
        case.prescription = prescription_from(args)
        if args.make_target:
            make_target(case, args.make_target, say)
        if args.target:
            case.find(args.target)
        write_case(case, args.output)
    except (BadInput, OSError) as e:
        say(str(e))
        return 2
    for s in case.structures:
        if s.role != 'organ':
            say(f'{s.role:9s} {s.name}')
    organs = [s.name for s in case.structures if s.role == 'organ']
    if organs:
        say(f'{len(organs)} organs: ' + ', '.join(organs))
    say(f'wrote {args.output}; look at it with: spineplan check {args.output}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
