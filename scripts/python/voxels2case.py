"""Makes a case of an HDF5 file with a CT and masks.

The file holds `ct` (HU, [z][y][x]) and `structures/<name>` (masks of the same shape), with `spacing_mm` and
`origin_mm` (x, y, z; LPS) as data sets or as attributes of the file or of `ct`.

example: scripts/voxels2case tg119.h5 -o case.h5 --target OuterTarget --target-dose 50 --fractions 25
"""
import argparse
import fnmatch
import pathlib
import sys

import h5py
import numpy as np

from atomic_write import keep_inputs
from case_file import (BadInput, Case, Structure, add_case_arguments, keep_single_roles, parse_roles,
                       prescription_from, role_from_name, write_case)
from rule_target import make_target


def say(text):
    print(f'voxels2case: {text}', file=sys.stderr)


def read_vector(f, name, path):
    for value in (f.get(name), f.attrs.get(name), f['ct'].attrs.get(name)):
        if value is not None:
            vector = np.asarray(value, float).ravel()
            if vector.shape != (3,) or not np.isfinite(vector).all():
                raise BadInput(f'{path}:{name} is {vector}, expected three numbers')
            return vector
    raise BadInput(f'{path} has no {name}, expected it as a data set or an attribute')


def read_voxels(path, roles, keep):
    try:
        f = h5py.File(path, 'r')
    except OSError as e:
        raise BadInput(f'{path}: {e}') from None
    with f:
        if 'ct' not in f or f['ct'].ndim != 3:
            raise BadInput(f'{path} has no data set "ct" of three dimensions')
        hu = np.clip(np.rint(f['ct'][...]), -1024, 32767).astype(np.int16)
        case = Case(hu, read_vector(f, 'spacing_mm', path), read_vector(f, 'origin_mm', path),
                    source=str(f.attrs.get('source', path.name)))
        for name, mask in f.get('structures', {}).items():
            if keep and not any(fnmatch.fnmatchcase(name, pattern) for pattern in keep):
                continue
            if mask.shape != hu.shape:
                raise BadInput(f'{path}:structures/{name} has shape {mask.shape}, expected {hu.shape} as the CT')
            role = roles.pop(name, None) or role_from_name(name)
            case.structures.append(Structure(name, role, mask=mask[...] != 0))
    if roles:
        raise BadInput(f'--role names what {path} does not have: {", ".join(roles)}')
    return case


def main():
    parser = argparse.ArgumentParser(prog='voxels2case', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('voxels', type=pathlib.Path)
    add_case_arguments(parser)
    args = parser.parse_args()
    try:
        keep_inputs(args.output, args.voxels)
        case = read_voxels(args.voxels, parse_roles(args.role), args.keep)
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
        say(f'{s.role:9s} {s.name}')
    say(f'wrote {args.output}; look at it with: spineplan check {args.output}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
