"""Writes a plan as DICOM: RTPLAN, RTDOSE (course, with DVHs), RTSTRUCT, and the CT, all in one study and one frame of
reference.

Without --ct the CT series is written from the plan's own CT (phantoms, research). With --ct FOLDER, the clinic's CT that
the plan was made on, its patient, study, frame of reference and images are referred to, and no CT is written. No other
patient data is carried over. --anonymise leaves out the patient and all dates, makes new UIDs and writes the CT.

example: scripts/plan2dicom plan.h5 -o export --ct ~/scan
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np

from case_file import BadInput
from dicom_ct import choose_series
from dicom_files import DAMAGE, damage, scan_folder
from dicom_write import Study, ct_objects, dose_object, lo, new_uid, plan_object, structure_object
from plan_contents import read_contents


def say(text):
    print(f'plan2dicom: {text}', file=sys.stderr)


def study_of_ct(contents, args):
    """The identity of the clinic's CT, after a check that the plan's CT lies where its images lie."""
    found = scan_folder(args.ct)
    uid = choose_series(found, args.series)
    headers = sorted(found.series[uid], key=lambda h: float(h.ImagePositionPatient[2]))
    z = np.array([float(h.ImagePositionPatient[2]) for h in headers])
    nz, ny, nx = contents.hu.shape
    own_z = contents.ct_origin_mm[2] + contents.ct_spacing_mm[2] * np.arange(nz)
    first = headers[0]
    corner = np.array([float(v) for v in first.ImagePositionPatient[:2]])
    last = corner + np.array([float(first.PixelSpacing[1]) * (nx - 1), float(first.PixelSpacing[0]) * (ny - 1)]) * \
        np.sign([float(first.ImageOrientationPatient[0]), float(first.ImageOrientationPatient[4])])
    low = np.minimum(corner, last)
    if (len(z), int(first.Rows), int(first.Columns)) != (nz, ny, nx) or np.abs(z - own_z).max() > 0.1 or \
            np.abs(low - contents.ct_origin_mm[:2]).max() > 0.1:
        raise BadInput(f'the CT in {args.ct} ({first.Columns} x {first.Rows} x {len(z)}, from '
                       f'{low[0]:g} {low[1]:g} {z[0]:g} mm) is not the one that the plan was made on ({nx} x {ny} x {nz}, '
                       f'from {" ".join(f"{v:g}" for v in contents.ct_origin_mm)} mm)')
    if not first.get('FrameOfReferenceUID'):
        raise BadInput(f'the CT in {args.ct} has no frame of reference')
    study = Study({k: first.get(k, '') for k in ('PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex')},
                  str(first.StudyInstanceUID), str(first.FrameOfReferenceUID), uid,
                  [str(h.SOPInstanceUID) for h in headers], z)
    study.study_facts = {k: first.get(k, '') for k in ('StudyDate', 'StudyTime', 'StudyID', 'AccessionNumber',
                                                       'ReferringPhysicianName')}
    study.position_indicator = str(first.get('PositionReferenceIndicator') or '')
    return study


def study_of_own(contents, args):
    name, patient_id = lo(args.patient_name or 'spineplan^research'), lo(args.patient_id or 'spineplan')
    if args.anonymise:
        name, patient_id = 'Anonymous^Patient', 'ANON' + new_uid()[-8:]
    study = Study({'PatientName': name, 'PatientID': patient_id}, anonymous=args.anonymise)
    study.ct_uids = [new_uid() for _ in range(len(contents.hu))]
    study.ct_z_mm = contents.ct_origin_mm[2] + contents.ct_spacing_mm[2] * np.arange(len(contents.hu))
    return study


def check(contents, args):
    if contents.hu is None:
        raise BadInput(f'{args.plan} holds no CT: DICOM needs it to say where structures and dose lie (for an imported RTPLAN: '
                       'scripts/rtplan2h5 --case)')
    if args.anonymise and (args.ct or args.patient_name or args.patient_id):
        raise BadInput('--anonymise does not go with --ct, --patient-name or --patient-id, which name the patient')
    if args.series and not args.ct:
        raise BadInput('--series says which series of --ct FOLDER: give that as well')
    if not args.output.absolute().parent.is_dir():
        raise BadInput(f'{args.output.absolute().parent} is no folder')
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise BadInput(f'{args.output} is there and not empty; choose another folder')


def is_case(contents):
    return not contents.technique and not contents.beams and contents.dose_gy is None


def export(contents, folder, args):
    study = study_of_ct(contents, args) if args.ct else study_of_own(contents, args)
    names = [lo(s.name) for s in contents.structures]
    if len(set(names)) < len(names):
        raise BadInput('two structures have names that are equal in their first 64 characters, which is all that DICOM keeps')
    written = []

    def write(d, name):
        d.save_as(folder / name, enforce_file_format=True)
        written.append(name)
    if not args.ct:
        (folder / 'CT').mkdir()
        for k, d in enumerate(ct_objects(study, contents.hu, contents.ct_spacing_mm, contents.ct_origin_mm,
                                         contents.patient_position)):
            d.save_as(folder / 'CT' / f'CT{k + 1:04d}.dcm', enforce_file_format=True)
        written.append(f'CT ({len(contents.hu)} images)')
    label = args.label or ('fluence' if not contents.beams else contents.technique or 'plan')
    structures = structure_object(study, contents.structures, label)
    write(structures, 'RS.dcm')
    if is_case(contents):
        return written
    plan = plan_object(study, contents, structures, label)
    write(plan, 'RP.dcm')
    if contents.dose_gy is not None:
        write(dose_object(study, contents, plan, structures), 'RD.dcm')
    return written


def main():
    parser = argparse.ArgumentParser(prog='plan2dicom', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('plan', type=pathlib.Path, metavar='PLAN', help='plan file (a case works too: CT and RTSTRUCT)')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path, metavar='DIR', help='folder to make')
    parser.add_argument('--ct', type=pathlib.Path, metavar='FOLDER', help='DICOM CT that the plan was made on')
    parser.add_argument('--series', metavar='UID', help='CT series in it, where there are several: number, UID or its end')
    parser.add_argument('--anonymise', action='store_true')
    parser.add_argument('--patient-name', metavar='TEXT')
    parser.add_argument('--patient-id', metavar='TEXT')
    parser.add_argument('--label', metavar='TEXT', help='label of plan and structure set (at most 16 characters)')
    args = parser.parse_args()
    temporary = None
    try:
        contents = read_contents(args.plan)
        check(contents, args)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix='.plan2dicom.', dir=args.output.absolute().parent))
        written = export(contents, temporary, args)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o777 & ~mask)
        if args.output.is_dir():
            args.output.rmdir()
        os.rename(temporary, args.output)
    except (BadInput, OSError, *DAMAGE) as e:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
        say(str(e) if isinstance(e, (BadInput, OSError)) else damage(args.ct or args.plan, e))
        return 2
    if not contents.beams and not is_case(contents):
        say('a fluence plan has neither apertures nor monitor units: the RTPLAN holds prescription and fractions, no beams, '
            'and says that it cannot be delivered')
    say(f'wrote {args.output}: ' + ', '.join(written))
    return 0


if __name__ == '__main__':
    sys.exit(main())
