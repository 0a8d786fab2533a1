"""Cuts the Alderson phantom of PyDoseRT down to alderson.h5 and alderson-dose.h5.

    unzip mr_alderson.zip -d alderson          # examples/data of PyDoseRT's source package
    scripts/dicom2case alderson -o case.h5 --target PTV --target-dose 60 --fractions 20
    scripts/rtdose2h5 alderson/RD/RD*3300*.dcm -o dose.h5
    .venv/bin/python tests/data/make_alderson.py case.h5 dose.h5
"""
import pathlib
import sys

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / 'scripts' / 'python'))

from case_file import Case, Structure, write_case  # noqa: E402

SLICES, ACROSS, ALONG = 88, 4, 2  # those around the target; voxels that are averaged into one


def make_case(source):
    with h5py.File(source) as f:
        hu = f['ct/hu']
        size = np.array([ACROSS, ACROSS, ALONG])
        spacing, origin = np.array(hu.attrs['spacing_mm']), np.array(hu.attrs['origin_mm'])
        blocks = hu[:SLICES].astype(float).reshape(SLICES // ALONG, ALONG, hu.shape[1] // ACROSS, ACROSS, -1, ACROSS)
        origin, spacing = origin + spacing * (size - 1) / 2, spacing * size
        structures = []
        for name, role in (('Body', 'external'), ('PTV', 'ptv')):
            points, begin = f[f'structures/{name}/points_mm'][...], f[f'structures/{name}/offsets'][...]
            polygons = [points[a:b] for a, b in zip(begin[:-1], begin[1:])]
            top = origin[2] + spacing[2] * (SLICES // ALONG - 0.5)
            structures.append(Structure(name, role, polygons=[p for p in polygons if p[0, 2] < top]))
    write_case(Case(np.rint(blocks.mean((1, 3, 5))).astype(np.int16), spacing, origin, structures=structures,
                    prescription={'dose_gy': 60.0, 'fractions': 20, 'target': 'PTV'},
                    source='PyDoseRT 1.5.0, examples/data/mr_alderson.zip'), HERE / 'alderson.h5')


def make_dose(source):
    """The box of all above 5 Gy, in hundredths of a Gy."""
    with h5py.File(source) as f, h5py.File(HERE / 'alderson-dose.h5', 'w') as out:
        dose = f['dose/dose_gy']
        box = [slice(max(i.min() - 1, 0), i.max() + 2) for i in np.nonzero(dose[...] > 5.0)]
        part = out.create_dataset('dose/dose_gy', data=np.round(dose[...][tuple(box)], 2), compression='gzip',
                                  compression_opts=9, shuffle=True)
        part.attrs['spacing_mm'] = dose.attrs['spacing_mm']
        part.attrs['origin_mm'] = dose.attrs['origin_mm'] + dose.attrs['spacing_mm'] * [s.start for s in reversed(box)]


make_case(sys.argv[1])
make_dose(sys.argv[2])
