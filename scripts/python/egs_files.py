"""The text files of EGSnrc's DOSXYZnrc: .3ddose (dose and relative error) and .egsphant (media and densities).

Formats: NRC report PIRS-794, DOSXYZnrc Users Manual, sections 12 and 16. Lengths are cm there, mm here; arrays [z][y][x].
"""
import csv
import pathlib

import numpy as np

from atomic_write import whole_file
from case_file import BadInput

MOST_VOXELS = 2 ** 30
# The media that ctcreate's ramp names, by what hu_calibration.csv calls them.
MEDIA = (('air', 'AIR700ICRU'), ('lung', 'LUNG700ICRU'), ('soft', 'ICRUTISSUE700ICRU'), ('bone', 'ICRPBONE700ICRU'),
         ('', 'TI700ICRU'))
CALIBRATION = pathlib.Path(__file__).resolve().parents[2] / 'engine' / 'matter' / 'data' / 'hu_calibration.csv'


def _calibration():
    with open(CALIBRATION, encoding='utf-8') as f:
        return list(csv.DictReader(line for line in f if not line.startswith('#')))


def density_of(hu):
    """g/cm3 and the index into MEDIA, by the project's calibration (engine/matter/data)."""
    density, medium = np.zeros(hu.shape), np.zeros(hu.shape, np.uint8)
    clipped = np.maximum(hu.astype(np.int32), -1024)
    rows = _calibration()
    for i, row in enumerate(rows):
        here = (clipped >= int(row['HU_from'])) & ((clipped < int(row['HU_to'])) | (i + 1 == len(rows)))
        density[here] = (float(row['density_offset_g_cm3']) + float(row['density_slope_g_cm3_per_HU']) *
                         np.minimum(clipped[here], int(row['HU_to']) - 1))
        medium[here] = next(k for k, (start, _) in enumerate(MEDIA) if row['material'].startswith(start))
    return density, medium


def hu_of(density):
    """The HU with that density: the composition is then the calibration's, whatever the medium was called."""
    hu = np.arange(-1024, int(_calibration()[-1]['HU_to']))
    # the published line has one step down (at 101 HU): densities there are those of the lower HU
    rho, first = np.unique(np.maximum.accumulate(density_of(hu)[0]), return_index=True)
    return np.rint(np.interp(density, rho, hu[first])).astype(np.int16)


def _edges_cm(spacing_mm, origin_mm, n):
    return (origin_mm + spacing_mm * (np.arange(n + 1) - 0.5)) / 10


def _lines(values, form, per_line=8):
    words = [form % v for v in np.ravel(values)]
    return '\n'.join(' '.join(words[i:i + per_line]) for i in range(0, len(words), per_line)) + '\n'


def write_3ddose(path, dose, spacing_mm, origin_mm, error=None):
    """error: relative standard uncertainty of each voxel (0 where nothing is known)."""
    nz, ny, nx = dose.shape
    error = np.zeros(dose.shape) if error is None else error
    with whole_file(path) as f:
        f.write(f'{nx} {ny} {nz}\n'.encode())
        for axis, n in enumerate((nx, ny, nz)):
            f.write(_lines(_edges_cm(spacing_mm[axis], origin_mm[axis], n), '%.7g').encode())
        for values in (dose, error):
            f.write(_lines(values, '%.7g').encode())


def _grid(edges, path):
    spacing, origin = [], []
    for name, e in zip('xyz', edges):
        steps = np.diff(e)
        # edges are rounded to what their digits hold
        if (steps <= 0).any() or np.ptp(steps) > 2e-3 * steps.mean() + 2e-6 * np.abs(e).max():
            raise BadInput(f'{path}: its voxels along {name} have unequal widths ({10 * steps.min():g} to '
                           f'{10 * steps.max():g} mm), which our grids cannot hold')
        width = (e[-1] - e[0]) / len(steps)
        spacing.append(10 * width)
        origin.append(10 * (e[0] + width / 2))
    return np.array(spacing), np.array(origin)


def _sizes(words, path):
    try:
        n = [int(w) for w in words]
    except ValueError:
        n = []
    if len(n) != 3 or min(n, default=0) < 1 or np.prod([float(v) for v in n]) > MOST_VOXELS:
        raise BadInput(f'{path} does not begin with three numbers of voxels')
    return n


def _numbers(words, path, n, what):
    try:
        values = np.array(words, float)
    except ValueError as e:
        raise BadInput(f'{path}: {what}: {e}') from None
    if len(values) != n:
        raise BadInput(f'{path} ends in its {what}: {len(values)} numbers, expected {n}')
    return values


def read_3ddose(path):
    """Returns dose, relative error (None where the file has none), spacing_mm, origin_mm."""
    words = pathlib.Path(path).read_bytes().decode('ascii', 'replace').split()
    n = _sizes(words[:3], path)
    at, edges = 3, []
    for size in n:
        edges.append(_numbers(words[at:at + size + 1], path, size + 1, 'boundaries'))
        at += size + 1
    total = int(np.prod(n))
    dose = _numbers(words[at:at + total], path, total, 'doses')
    rest = words[at + total:]
    error = _numbers(rest[:total], path, total, 'errors').reshape(n[::-1]) if rest else None
    return dose.reshape(n[::-1]), error, *_grid(edges, path)


def write_egsphant(path, hu, spacing_mm, origin_mm):
    density, medium = density_of(hu)
    nz, ny, nx = hu.shape
    with whole_file(path) as f:
        f.write(f'{len(MEDIA)}\n'.encode() + ''.join(name + '\n' for _, name in MEDIA).encode())
        f.write((' '.join(['1.0'] * len(MEDIA)) + f'\n{nx} {ny} {nz}\n').encode())
        for axis, n in enumerate((nx, ny, nz)):
            f.write(_lines(_edges_cm(spacing_mm[axis], origin_mm[axis], n), '%.7g').encode())
        for k in range(nz):
            f.write(b'\n'.join((row + ord('1')).tobytes() for row in medium[k]) + b'\n\n')
        for k in range(nz):
            for row in density[k]:
                f.write((' '.join(['%.6g' % v for v in row]) + '\n').encode())
            f.write(b'\n')


def read_egsphant(path):
    """Returns density g/cm3, media ([z][y][x] index), media names, spacing_mm, origin_mm."""
    lines = pathlib.Path(path).read_bytes().decode('ascii', 'replace').splitlines()
    try:
        n_media = int(lines[0])
        names = [line.strip() for line in lines[1:1 + n_media]]
        words = ' '.join(lines[2 + n_media:]).split()
    except (ValueError, IndexError):
        raise BadInput(f'{path} does not begin with a number of media and their names') from None
    if not 1 <= n_media <= 100 or len(names) != n_media:
        raise BadInput(f'{path} names {n_media} media, expected 1 to 100 and their names')
    n = _sizes(words[:3], path)
    at, edges = 3, []
    for size in n:
        edges.append(_numbers(words[at:at + size + 1], path, size + 1, 'boundaries'))
        at += size + 1
    total, letters = int(np.prod(n)), ''
    while len(letters) < total and at < len(words):
        letters += words[at]
        at += 1
    order = '123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    media = np.array([order.find(c) for c in letters])
    if len(media) != total or (media < 0).any() or (media >= n_media).any():
        raise BadInput(f'{path}: {len(media)} voxels of media, expected {total} of 1 to {n_media}')
    density = _numbers(words[at:at + total], path, total, 'densities')
    return density.reshape(n[::-1]), media.reshape(n[::-1]), names, *_grid(edges, path)
