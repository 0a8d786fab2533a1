"""Makes a dose file of a DICOM RTDOSE, for spineplan compare, or an RTDOSE-like sum of several (one a beam).

The dataset is /dose/dose_gy (of the whole course), /dose/dose_gy_per_fraction where the RTDOSE says that it is for one
fraction, or /dose/dose_relative where it is not in Gy.

example: scripts/rtdose2h5 RD.dcm -o tps.h5 && spineplan compare tps.h5 plan.h5 --gamma 3%/2mm
"""
import argparse
import pathlib
import sys

import h5py
import numpy as np

from atomic_write import keep_inputs, whole_path
from case_file import BadInput
from dicom_dose import read_dose
from dicom_files import DAMAGE, damage, read_one


def say(text):
    print(f'rtdose2h5: {text}', file=sys.stderr)


def dataset_name(dose):
    if dose.units != 'GY':
        return 'dose_relative'
    return 'dose_gy_per_fraction' if dose.summation == 'FRACTION' else 'dose_gy'


def read_sum(paths, scale):
    total = None
    for path in paths:
        dose = read_dose(read_one(path, 'RTDOSE'))
        nz, ny, nx = dose.values.shape
        say(f'{path}: {nx} x {ny} x {nz} voxels of {" x ".join(f"{v:g}" for v in dose.spacing_mm)} mm, {dose.summation} '
            f'dose, at most {dose.values.max():.4g} {"Gy" if dose.units == "GY" else "(relative)"}')
        if total is None:
            total = dose
            continue
        if (dose.values.shape != total.values.shape or dose.units != total.units or dose.summation != total.summation or
                np.abs(np.r_[dose.spacing_mm - total.spacing_mm, dose.origin_mm - total.origin_mm]).max() > 1e-3):
            raise BadInput(f'{path} lies on another grid or means another dose than {paths[0]}: they cannot be added')
        total.values += dose.values
    if total.summation == 'BEAM' and len(paths) == 1:
        say('this RTDOSE is for one beam: give those of all beams to add them up')
    total.values *= scale
    return total


def write_dose(path, dose, source):
    with whole_path(path) as temporary, h5py.File(temporary, 'w') as f:
        d = f.create_dataset(f'dose/{dataset_name(dose)}', data=dose.values.astype(np.float32), compression='gzip',
                             shuffle=True)
        d.attrs['spacing_mm'], d.attrs['origin_mm'] = dose.spacing_mm, dose.origin_mm
        d.attrs['dose_summation_type'] = dose.summation
        f.attrs['source'] = source


def main():
    parser = argparse.ArgumentParser(prog='rtdose2h5', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rtdose', type=pathlib.Path, nargs='+', metavar='RTDOSE')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path, metavar='DOSE')
    parser.add_argument('--scale', type=float, default=1.0, metavar='F', help='multiply, for example by the fractions')
    args = parser.parse_args()
    try:
        if not np.isfinite(args.scale) or args.scale <= 0:
            raise BadInput('--scale must be positive')
        keep_inputs(args.output, *args.rtdose)
        dose = read_sum(args.rtdose, args.scale)
        write_dose(args.output, dose, 'DICOM RTDOSE')
    except (BadInput, OSError) as e:
        say(str(e))
        return 2
    except DAMAGE as e:
        say(damage(" ".join(map(str, args.rtdose)), e))
        return 2
    say(f'wrote {args.output}: /dose/{dataset_name(dose)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
