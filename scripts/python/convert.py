"""Turns a grid of a case, plan or dose file into another program's format, or back, by the endings of the names.

  .h5        case, plan or dose of this program
  .nrrd .mha image for 3D Slicer, ITK, plastimatch
  .3ddose    dose of EGSnrc's DOSXYZnrc (with relative errors from /dose/sigma_gy where there are any)
  .egsphant  phantom of DOSXYZnrc: densities and media by the CT calibration; read back, it becomes a case

examples: scripts/convert plan.h5 dose.nrrd
          scripts/convert plan.h5 ct.mha --dataset /ct/hu
          scripts/convert case.h5 case.egsphant
          scripts/convert egs.3ddose egs.h5 --name dose_gy_per_particle
"""
import argparse
import pathlib
import re
import sys

import h5py
import numpy as np

from atomic_write import keep_inputs, whole_path
from case_file import BadInput, Case, write_case
from egs_files import hu_of, read_3ddose, read_egsphant, write_3ddose, write_egsphant
from image_files import read_image, write_mha, write_nrrd
from own_objects import open_file, own
from plan_contents import grid_of

FORMATS = ('.h5', '.nrrd', '.mha', '.3ddose', '.egsphant')


def say(text):
    print(f'convert: {text}', file=sys.stderr)


def _choose(f, wish):
    if wish:
        return wish
    for name in ('dose/dose_gy', 'ct/hu', 'case/ct/hu'):
        if own(f, name, required=False) is not None:
            return name
    group = own(f, 'dose', required=False)
    names = [n for n in group if n.startswith('dose')] if group is not None else []
    if len(names) == 1:
        return f'dose/{names[0]}'
    raise BadInput(f'{f.filename} holds no /dose/dose_gy and no /ct/hu; name the dataset with --dataset')


def read_h5(path, wish):
    with open_file(path) as f:
        name = _choose(f, wish)
        d = own(f, name)
        if not isinstance(d, h5py.Dataset) or d.ndim != 3 or d.dtype.kind not in 'iufb':
            raise BadInput(f'{path}:{name} is no array of three dimensions')
        sigma = own(f, 'dose/sigma_gy', required=False) if name.strip('/') == 'dose/dose_gy' else None
        error = None
        values = d[...]
        if sigma is not None and sigma.shape == d.shape:
            with np.errstate(divide='ignore', invalid='ignore'):
                error = np.nan_to_num(sigma[...] / values, nan=0.0, posinf=0.0)
        return values, *grid_of(d), error, name


def write_h5(path, values, spacing, origin, name, error=None):
    with whole_path(path) as temporary, h5py.File(temporary, 'w') as f:
        for key, array in ((name, values), (re.sub('^dose', 'sigma', name), None if error is None else values * error)):
            if array is None:
                continue
            d = f.create_dataset(f'dose/{key}', data=np.asarray(array, np.float32), compression='gzip', shuffle=True)
            d.attrs['spacing_mm'], d.attrs['origin_mm'] = np.asarray(spacing, float), np.asarray(origin, float)


def _as_pixels(values):
    return values.astype(np.uint8) if values.dtype == bool else \
        values.astype({'float16': np.float32, 'int64': np.int32, 'uint64': np.uint32}.get(values.dtype.name, values.dtype))


def convert(args):
    source, goal = args.source.suffix.lower(), args.goal.suffix.lower()
    for path, suffix in ((args.source, source), (args.goal, goal)):
        if suffix not in FORMATS:
            raise BadInput(f'{path}: expected a name that ends in one of {" ".join(FORMATS)}')
    if not args.source.is_file():
        raise BadInput(f'{args.source} is no file')
    if not re.fullmatch(r'dose\w*', args.name):
        raise BadInput(f'--name {args.name}: expected a word that begins with dose')
    error = None
    if source == '.h5':
        values, spacing, origin, error, what = read_h5(args.source, args.dataset)
        say(f'{args.source}:/{what.strip("/")}')
    elif source == '.3ddose':
        values, error, spacing, origin = read_3ddose(args.source)
    elif source == '.egsphant':
        density, _, names, spacing, origin = read_egsphant(args.source)
        values = hu_of(density)
        say(f'media {", ".join(names)}: kept as densities; compositions will be those of the CT calibration')
    else:
        values, spacing, origin = read_image(args.source)
    if goal == '.h5':
        if source == '.egsphant':
            write_case(Case(values, spacing, origin, source=f'EGSnrc phantom {args.source.name}'), args.goal)
        else:
            write_h5(args.goal, values, spacing, origin, args.name, error)
    elif goal == '.3ddose':
        write_3ddose(args.goal, values, spacing, origin, error)
    elif goal == '.egsphant':
        if values.dtype.kind != 'i':
            raise BadInput('an .egsphant is made of a CT (whole HU): name it with --dataset /ct/hu')
        write_egsphant(args.goal, values, spacing, origin)
    elif goal == '.mha':
        write_mha(args.goal, _as_pixels(values), spacing, origin)
    else:
        write_nrrd(args.goal, _as_pixels(values), spacing, origin)
    say(f'wrote {args.goal}: {" x ".join(str(n) for n in values.shape[::-1])} voxels of '
        f'{" x ".join(f"{v:g}" for v in spacing)} mm')


def main():
    parser = argparse.ArgumentParser(prog='convert', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=pathlib.Path, metavar='FROM')
    parser.add_argument('goal', type=pathlib.Path, metavar='TO')
    parser.add_argument('--dataset', metavar='PATH', help='of an .h5 (default: /dose/dose_gy, else /ct/hu)')
    parser.add_argument('--name', default='dose_gy', metavar='NAME', help='of the dose in a new .h5 (dose_gy)')
    args = parser.parse_args()
    try:
        keep_inputs(args.goal, args.source)
        convert(args)
    except (BadInput, OSError) as e:
        say(str(e))
        return 2
    except (ValueError, KeyError, IndexError, EOFError) as e:  # what a damaged file of another program gives
        say(f'{args.source} is damaged or not as its ending says: {type(e).__name__} {e}')
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
