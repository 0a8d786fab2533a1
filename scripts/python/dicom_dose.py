"""Reads an RTDOSE into an array on a regular grid."""
from dataclasses import dataclass

import numpy as np

from case_file import BadInput
from dicom_files import axial_signs


@dataclass
class Dose:
    values: np.ndarray      # float64 [z][y][x]
    spacing_mm: np.ndarray  # x, y, z
    origin_mm: np.ndarray
    units: str              # GY or RELATIVE
    summation: str          # PLAN, FRACTION, BEAM ...
    frame_uid: str


def _heights(d, n):
    """z of each frame: offsets count from the position, or (when the first is the position itself) are coordinates."""
    z0 = float(d.ImagePositionPatient[2])
    offsets = np.array([float(v) for v in d.get('GridFrameOffsetVector') or [0.0]])
    if len(offsets) < n:
        raise BadInput(f'{d.filename} has {n} frames and {len(offsets)} offsets of them')
    offsets = offsets[:n]
    z = offsets if abs(offsets[0]) > 1e-6 and abs(offsets[0] - z0) < 1e-3 else z0 + offsets
    steps = np.diff(z)
    if len(steps) and np.abs(steps - steps[0]).max() > 0.01 * abs(steps[0]) or (steps == 0).any():
        raise BadInput(f'{d.filename}: its frames are not evenly spaced (steps of {steps.min():g} to {steps.max():g} mm)')
    return z


def read_dose(d):
    units, summation = str(d.get('DoseUnits', '')), str(d.get('DoseSummationType', ''))
    if units not in ('GY', 'RELATIVE'):
        raise BadInput(f'{d.filename} has dose units "{units}", expected GY or RELATIVE')
    if str(d.get('DoseType', 'PHYSICAL')) == 'ERROR':
        raise BadInput(f'{d.filename} holds dose differences (dose type ERROR), not a dose')
    for tag in ('ImagePositionPatient', 'PixelSpacing', 'DoseGridScaling'):
        if d.get(tag) is None:
            raise BadInput(f'{d.filename} has no {tag}')
    x_sign, y_sign = axial_signs(d)
    try:
        stored = d.pixel_array
    except Exception as e:  # pydicom raises many kinds for a picture that it cannot unpack
        raise BadInput(f'{d.filename}: cannot read the dose values ({" ".join(str(e).split())[:200]})') from None
    values = stored.reshape((-1,) + stored.shape[-2:]) * float(d.DoseGridScaling)
    z = _heights(d, len(values))
    dy, dx = (float(v) for v in d.PixelSpacing)  # DICOM: between rows first
    x0, y0 = (float(v) for v in d.ImagePositionPatient[:2])
    _, ny, nx = values.shape
    if x_sign < 0:
        values, x0 = values[:, :, ::-1], x0 - dx * (nx - 1)
    if y_sign < 0:
        values, y0 = values[:, ::-1], y0 - dy * (ny - 1)
    if len(z) > 1 and z[1] < z[0]:
        values, z = values[::-1], z[::-1]
    dz = (z[-1] - z[0]) / (len(z) - 1) if len(z) > 1 else float(d.get('SliceThickness') or dx)
    return Dose(np.ascontiguousarray(values), np.array([dx, dy, dz]), np.array([x0, y0, z[0]]), units, summation,
                str(d.get('FrameOfReferenceUID', '')))
