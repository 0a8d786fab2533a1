"""Makes a case of a DICOM folder: one CT series and the RTSTRUCT drawn on it.

Files may lie in any order and in subfolders. Roles (body, target, cord ...) come from the structures' types and names.

example: scripts/dicom2case ~/scan -o case.h5 --target PTV --target-dose 24 --fractions 2 --protocol sc24-24gy-2fx
"""
import argparse
import pathlib
import sys

from case_file import (BadInput, Case, add_case_arguments, keep_single_roles, parse_roles, prescription_from,
                       write_case)
from coarsen import coarsen
from dicom_ct import choose_series, read_series
from dicom_files import DAMAGE, damage, scan_folder
from dicom_structures import choose_sets, read_structures
from rule_target import make_target


def say(text):
    print(f'dicom2case: {text}', file=sys.stderr)


def tell_plans_and_doses(found):
    """They are not part of a case, but made use of by two other scripts."""
    for plan in found.plans:
        group = next(iter(plan.get('FractionGroupSequence') or []), {})
        doses = [float(r.TargetPrescriptionDose) for r in plan.get('DoseReferenceSequence') or []
                 if r.get('TargetPrescriptionDose') is not None]
        text = f'{len(plan.get("BeamSequence") or [])} beams'
        if group.get('NumberOfFractionsPlanned'):
            text += f', {int(group.NumberOfFractionsPlanned)} fractions'
        if doses:
            text += f', prescribed {max(doses):g} Gy'
        say(f'RTPLAN {plan.filename} ({text}): not part of a case; scripts/rtplan2h5 makes a plan file of it')
    for dose in found.doses:
        say(f'RTDOSE {dose.filename} ({dose.get("DoseSummationType", "")} {dose.get("DoseUnits", "")}): not part of a case; '
            'scripts/rtdose2h5 makes a dose file of it')


def read_folder(args):
    found = scan_folder(args.folder)
    found.tell(say)
    series_uid = choose_series(found, args.series)
    headers = found.series[series_uid]
    case = Case(*read_series(headers, say), source=args.source or f'DICOM series {series_uid}')
    nz, ny, nx = case.hu.shape
    say(f'CT {nx} x {ny} x {nz} voxels of {" x ".join(f"{v:g}" for v in case.spacing_mm)} mm')
    sets = choose_sets(found, series_uid, str(headers[0].get('FrameOfReferenceUID', '')), args.structures)
    for uid in found.series.keys() - {series_uid}:
        say(f'ignored CT series {uid}: not the one chosen')
    if found.no_position:
        say(f'ignored {len(found.no_position)} CT images without a position')
    for other in found.structure_sets:
        if not any(other.filename == s.filename for s in sets):
            say(f'ignored {other.filename}: this RTSTRUCT was ' +
                ('not chosen' if args.structures else 'drawn on another series'))
    tell_plans_and_doses(found)
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
    parser.add_argument('--coarsen-mm', type=float, metavar='MM',
                        help='average the CT into voxels of that size and keep the contours of the slices in their middle')
    parser.add_argument('--source', metavar='TEXT', help='where the data come from, kept in the case')
    args = parser.parse_args()
    try:
        case = read_folder(args)
        keep_single_roles(case.structures, say)
        case.prescription = prescription_from(args)
        if args.make_target:
            make_target(case, args.make_target, say)
        if args.coarsen_mm is not None:
            coarsen(case, args.coarsen_mm)
            say('coarsened to {2} x {1} x {0} voxels of '.format(*case.hu.shape) +
                f'{" x ".join(f"{v:g}" for v in case.spacing_mm)} mm')
        if args.target:
            case.find(args.target)
        write_case(case, args.output)
    except (BadInput, OSError) as e:
        say(str(e))
        return 2
    except DAMAGE as e:
        say(damage(args.folder, e))
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
