"""Writes an influence matrix with its case in PortPy's folder layout (JSON for facts, HDF5 for numbers), so that PortPy
can optimise on it. The layout is described at https://github.com/PortPy-Project/PortPy (data).

CT and structures are sampled on the matrix's own grid. Angles, isocentres and machine are those that the matrix tells.

example: build/spineplan influence case.h5 -o matrix.h5 --beams 0,72,144,216,288 --grid-mm 3
         scripts/matrix2portpy case.h5 matrix.h5 -o portpy/Patient_1
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile
from dataclasses import dataclass

import h5py
import numpy as np
from scipy.ndimage import map_coordinates

from case_file import BadInput
from mask_outline import outlines
from own_objects import open_file, own
from plan_contents import read_contents, text
from polygon_fill import coverage


def say(text):
    print(f'matrix2portpy: {text}', file=sys.stderr)


@dataclass
class Beam:
    gantry_deg: float
    collimator_deg: float
    couch_deg: float
    isocentre_mm: list
    machine: str
    energy_mv: float
    sad_mm: float
    bixel_mm: float


def read_beams(f, path):
    d = own(f, 'influence/beams', required=False)
    if d is None:
        raise BadInput(f'{path} does not tell its beams; make it again with spineplan influence')
    if d.ndim != 2 or d.shape[1] != 6 or not np.isfinite(d[...]).all():
        raise BadInput(f'{path}:/influence/beams is no table of six numbers a beam')
    try:
        of_all = [text(d.attrs['machine']), *(float(d.attrs[n]) for n in ('energy_mv', 'sad_mm', 'bixel_mm'))]
    except KeyError as e:
        raise BadInput(f'{path}:/influence/beams lacks an attribute: {e}') from None
    return [Beam(*map(float, row[:3]), [float(v) for v in row[3:]], *of_all) for row in d[...]]


def read_matrix(path):
    with open_file(path) as f:
        g = own(f, 'influence')
        parts = {n: own(f, f'influence/{n}') for n in ('data', 'indices', 'indptr', 'bixels')}
        m = {n: d[...] for n, d in parts.items()}
        m['beams'] = read_beams(f, path)
        try:
            m['size'], m['shape'] = np.asarray(g.attrs['size'], int), np.asarray(g.attrs['shape'], int)
            m['spacing_mm'], m['origin_mm'] = np.asarray(g.attrs['spacing_mm'], float), np.asarray(g.attrs['origin_mm'], float)
        except KeyError as e:
            raise BadInput(f'{path}:/influence lacks an attribute: {e}') from None
    if len(m['indptr']) != m['shape'][0] + 1 or m['bixels'].shape != (m['shape'][1], 3) or \
            np.prod(m['size']) != m['shape'][0] or (m['bixels'][:, 0] >= len(m['beams'])).any():
        raise BadInput(f'{path}:/influence does not fit its own shape')
    return m


def mask_on(structure, m, contents):
    """A structure's voxels on the matrix's grid: those that lie inside by more than half."""
    nx, ny, nz = m['size']
    out = np.zeros((nz, ny, nx), bool)
    if structure.mask is not None:
        ijk = [np.rint((m['origin_mm'][a] + m['spacing_mm'][a] * np.arange(m['size'][a]) - contents.ct_origin_mm[a]) /
                       contents.ct_spacing_mm[a]).astype(int) for a in range(3)]
        good = [(i >= 0) & (i < structure.mask.shape[2 - a]) for a, i in enumerate(ijk)]
        out[np.ix_(good[2], good[1], good[0])] = structure.mask[np.ix_(ijk[2][good[2]], ijk[1][good[1]], ijk[0][good[0]])]
        return out
    if not structure.polygons:
        return out
    levels = np.array([p[0, 2] for p in structure.polygons])
    z = np.unique(np.round(levels, 2))
    gap = np.median(np.diff(z)) if len(z) > 1 else contents.ct_spacing_mm[2]
    for k in range(nz):
        here = m['origin_mm'][2] + m['spacing_mm'][2] * k
        nearest = z[np.argmin(np.abs(z - here))]
        if abs(nearest - here) > 0.75 * gap:  # a slice reaches half way to the next; a little more bridges rounding
            continue
        polygons = [p for p, level in zip(structure.polygons, levels) if abs(level - nearest) < 0.05]
        out[k] = coverage(polygons, m['origin_mm'][0], m['spacing_mm'][0], nx, m['origin_mm'][1], m['spacing_mm'][1], ny) > 0.5
    return out


def ct_on(contents, m):
    places = [(m['origin_mm'][a] + m['spacing_mm'][a] * np.arange(m['size'][a]) - contents.ct_origin_mm[a]) /
              contents.ct_spacing_mm[a] for a in (2, 1, 0)]
    return map_coordinates(contents.hu.astype(np.float32), np.meshgrid(*places, indexing='ij'), order=1, mode='constant',
                           cval=-1000).astype(np.int16)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + '\n', encoding='utf-8')


def _rectangle(x, y, bixel_mm):
    """PortPy wants every place of the rectangle around the bixels: returns all x, y (rows from the top), and which of
    them each of our bixels is."""
    nx, ny = (int(round(np.ptp(v) / bixel_mm)) + 1 for v in (x, y))
    column = np.rint((x - x.min()) / bixel_mm).astype(int)
    row = np.rint((y.max() - y) / bixel_mm).astype(int)
    xs, ys = np.meshgrid(x.min() + bixel_mm * np.arange(nx), y.max() - bixel_mm * np.arange(ny))
    return xs.ravel(), ys.ravel(), row * nx + column, (ny, nx)


def write_beam(folder, number, m, beam, names):
    columns = np.flatnonzero(m['bixels'][:, 0].astype(int) == number)
    if not len(columns):
        raise BadInput(f'beam {number} of the matrix has no bixels')
    bixel_mm = beam.bixel_mm
    x, y, place, shape = _rectangle(*m['bixels'][columns, 1:].astype(float).T, bixel_mm)
    of_column = np.full(m['shape'][1], -1)
    of_column[columns] = place
    mine = of_column[m['indices']]
    entries = np.flatnonzero(mine >= 0)
    rows = np.searchsorted(m['indptr'], entries, side='right') - 1
    covered = np.zeros(shape, bool)
    covered.ravel()[place] = True
    stem, half = f'Beam_{number}_Data.h5', bixel_mm / 2
    with h5py.File(folder / stem, 'w') as f:
        sparse = np.column_stack([rows, mine[entries], m['data'][entries]]).astype(np.float64)
        # the last voxel and bixel are named with a zero, so that the matrix has its full shape
        sparse = np.vstack([sparse, [m['shape'][0] - 1, len(x) - 1, 0.0]])
        f.create_dataset('inf_matrix_sparse', data=sparse, compression='gzip', shuffle=True)
        beamlets = {'id': np.arange(len(x)), 'width_mm': np.full(len(x), bixel_mm), 'height_mm': np.full(len(x), bixel_mm),
                    'position_x_mm': x, 'position_y_mm': y, 'MLC_leaf_idx': np.arange(len(x)) // shape[1]}
        for name, values in beamlets.items():
            f.create_dataset(f'beamlets/{name}', data=values)
        f.create_dataset('MLC_leaves_pos_y_mm', data=np.unique(y)[::-1] + half)
        # the area that our bixels cover, as the target's outline in the beam's eye view
        for name in names:
            for k, line in enumerate(outlines(covered)):
                xy = np.column_stack([x.min() - half + bixel_mm * line[:, 0], y.max() + half - bixel_mm * line[:, 1]])
                f.create_dataset(f'BEV_structure_contour_points/{name}/Segment-{k}', data=xy)
    write_json(folder / f'Beam_{number}_MetaData.json', {
        'ID': number, 'gantry_angle': beam.gantry_deg, 'collimator_angle': beam.collimator_deg,
        'couch_angle': beam.couch_deg, 'iso_center': dict(zip(('x_mm', 'y_mm', 'z_mm'), beam.isocentre_mm)),
        'beamlets': {f'{n}_File': f'{stem}/beamlets/{n}' for n in
                     ('id', 'width_mm', 'height_mm', 'position_x_mm', 'position_y_mm', 'MLC_leaf_idx')},
        'jaw_position': {'top_left_x_mm': float(x.min() - half), 'top_left_y_mm': float(y.max() + half),
                         'bottom_right_x_mm': float(x.max() + half), 'bottom_right_y_mm': float(y.min() - half)},
        'BEV_structure_contour_points_File': f'{stem}/BEV_structure_contour_points',
        'influenceMatrixSparse_File': f'{stem}/inf_matrix_sparse', 'influenceMatrixSparse_tol': 0.0,
        'MLC_leaves_pos_y_mm_File': f'{stem}/MLC_leaves_pos_y_mm', 'MLC_name': 'bixels', 'machine_name': beam.machine,
        'beam_modality': 'photon', 'energy_MV': f'{beam.energy_mv:g}', 'SSD_mm': beam.sad_mm, 'SAD_mm': beam.sad_mm})


def write_folder(folder, contents, m):
    shape = tuple(m['size'][::-1])
    geometry = [m['spacing_mm'].tolist(), m['origin_mm'].tolist()]
    with h5py.File(folder / 'CT_Data.h5', 'w') as f:
        f.create_dataset('ct_hu_3d', data=ct_on(contents, m), compression='gzip')
    write_json(folder / 'CT_MetaData.json', {'resolution_xyz_mm': geometry[0], 'origin_xyz_mm': geometry[1],
                                             'size_xyz': m['size'].tolist(), 'ct_hu_3d_File': 'CT_Data.h5/ct_hu_3d'})
    # every voxel of the grid is a row of the matrix
    voxels = np.arange(m['shape'][0]).reshape(shape)
    with h5py.File(folder / 'OptimizationVoxels_Data.h5', 'w') as f:
        f.create_dataset('ct_to_dose_voxel_map', data=voxels.astype(np.int64), compression='gzip')
    write_json(folder / 'OptimizationVoxels_MetaData.json', {
        'ct_origin_xyz_mm': geometry[1], 'ct_voxel_resolution_xyz_mm': geometry[0],
        'dose_voxel_resolution_xyz_mm': geometry[0], 'ct_size_xyz': m['size'].tolist(),
        'cal_box_xyz_start': [0, 0, 0], 'cal_box_xyz_end': m['size'].tolist(),
        'ct_to_dose_voxel_map_File': 'OptimizationVoxels_Data.h5/ct_to_dose_voxel_map'})
    facts, voxel_cc = [], float(np.prod(m['spacing_mm'])) / 1000
    with h5py.File(folder / 'StructureSet_Data.h5', 'w') as f:
        for s in contents.structures:
            mask = mask_on(s, m, contents)
            if not mask.any():
                say(f'"{s.name}" has no voxel on the matrix\'s grid and is left out')
                continue
            f.create_dataset(s.name, data=mask.astype(np.uint8), compression='gzip')
            facts.append({'name': s.name, 'volume_cc': float(mask.sum()) * voxel_cc, 'dicom_structure_name': s.name,
                          'fraction_of_vol_in_calc_box': 1.0, 'structure_mask_3d_File': f'StructureSet_Data.h5/{s.name}'})
    write_json(folder / 'StructureSet_MetaData.json', facts)
    write_json(folder / 'PlannerBeams.json', {'IDs': list(range(len(m['beams'])))})
    (folder / 'Beams').mkdir()
    names = {'PTV', contents.prescription.get('target') or 'PTV'}  # PortPy's own default, and ours
    for number, beam in enumerate(m['beams']):
        write_beam(folder / 'Beams', number, m, beam, sorted(names))


def main():
    parser = argparse.ArgumentParser(prog='matrix2portpy', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('case', type=pathlib.Path, metavar='CASE')
    parser.add_argument('matrix', type=pathlib.Path, metavar='MATRIX')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path, metavar='FOLDER')
    args = parser.parse_args()
    temporary = None
    try:
        if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
            raise BadInput(f'{args.output} is there and not empty; choose another folder')
        contents, m = read_contents(args.case), read_matrix(args.matrix)
        if contents.hu is None:
            raise BadInput(f'{args.case} holds no CT')
        args.output.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix='.portpy.', dir=args.output.absolute().parent))
        write_folder(temporary, contents, m)
        temporary.chmod(0o755)
        if args.output.is_dir():
            args.output.rmdir()
        temporary.rename(args.output)
    except (BadInput, OSError) as e:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
        say(str(e))
        return 2
    say(f'wrote {args.output}: {m["shape"][0]} voxels x {m["shape"][1]} bixels of {len(m["beams"])} beams')
    return 0


if __name__ == '__main__':
    sys.exit(main())
