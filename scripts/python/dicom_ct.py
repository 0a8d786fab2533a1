"""Reads one CT series of a DICOM folder into HU on a regular grid, whatever the order of the files."""
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from case_file import BadInput

POSITION_TOLERANCE_MM = 0.05  # what rounding in DICOM's decimal strings and scanner jitter leave
AIR_HU = -1024


@dataclass
class Folder:
    series: dict = field(default_factory=lambda: defaultdict(list))  # series UID -> CT headers, with .filename
    structure_sets: list = field(default_factory=list)


def scan_folder(folder):
    """Headers only; what is not DICOM is passed over."""
    if not folder.is_dir():
        raise BadInput(f'{folder} is no folder')
    found = Folder()
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError, EOFError):
            continue
        if header.get('Modality') == 'CT' and 'ImagePositionPatient' in header:
            if 'LOCALIZER' not in header.get('ImageType', []):
                found.series[str(header.SeriesInstanceUID)].append(header)
        elif header.get('Modality') == 'RTSTRUCT':
            found.structure_sets.append(header)
    if not found.series:
        raise BadInput(f'{folder} holds no CT image in DICOM format')
    return found


def choose_series(found, wish):
    """The only series, or the one whose UID (or its end) or number is asked for."""
    matches = [uid for uid, headers in found.series.items()
               if not wish or uid == wish or uid.endswith(wish) or str(headers[0].get('SeriesNumber', '')) == wish]
    if len(matches) == 1:
        return matches[0]
    lines = [f'  number {h[0].get("SeriesNumber", "-")}, {len(h)} images, "{h[0].get("SeriesDescription", "")}", {uid}'
             for uid, h in found.series.items()]
    asked = f'--series {wish} names {len(matches)} series' if wish else f'there are {len(lines)} CT series'
    raise BadInput(f'{asked}; choose one by number or UID with --series:\n' + '\n'.join(lines))


def _axes(header):
    """Which way rows and columns run: DICOM's direction cosines, which must lie along x and y."""
    cosines = np.array([float(v) for v in header.ImageOrientationPatient])
    if np.abs(np.abs(cosines) - [1, 0, 0, 0, 1, 0]).max() > 1e-3:
        tilt = np.degrees(np.arccos(min(1.0, abs(np.cross(cosines[:3], cosines[3:])[2]))))
        raise BadInput(f'{header.filename}: images are not axial (plane tilted by {tilt:.1f} degrees, or turned); '
                       'resample the series to axial slices first')
    return np.sign(cosines[0]), np.sign(cosines[4])


def _check_stack(headers, z):
    """Evenly spaced, nothing missing or twice, not sheared by a tilted gantry."""
    gaps = np.diff(z)
    if (gaps < POSITION_TOLERANCE_MM).any():
        k = int(np.argmax(gaps < POSITION_TOLERANCE_MM))
        raise BadInput(f'two images at z = {z[k]:g} mm: {headers[k].filename} and {headers[k + 1].filename}')
    spacing = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - spacing) > max(POSITION_TOLERANCE_MM, 0.01 * spacing))
    if len(odd):
        k = int(odd[0])
        raise BadInput(f'slices are missing or unevenly spaced: {gaps[k]:g} mm between z = {z[k]:g} and {z[k + 1]:g} mm '
                       f'where {spacing:g} mm is usual ({len(odd)} such gaps)')
    corner = np.array([[float(v) for v in h.ImagePositionPatient[:2]] for h in headers])
    drift = np.ptp(corner, axis=0).max()
    if drift > POSITION_TOLERANCE_MM:
        angle = np.degrees(np.arctan2(drift, z[-1] - z[0]))
        raise BadInput(f'images are shifted against each other by {drift:.2f} mm from first to last slice (gantry tilt of '
                       f'{angle:.1f} degrees?); correct the tilt first')
    return (z[-1] - z[0]) / (len(z) - 1)


def _same(headers, tag):
    values = {str(h.get(tag)) for h in headers}
    if len(values) > 1:
        raise BadInput(f'{tag} changes within the series: {", ".join(sorted(values)[:3])}')
    if values == {'None'}:
        raise BadInput(f'{headers[0].filename} has no {tag}')


def read_series(headers, say):
    """Returns hu [z][y][x], spacing_mm and origin_mm (x, y, z), patient position."""
    if len(headers) < 2:
        raise BadInput(f'{headers[0].filename}: the series has a single image, expected a stack of slices')
    for tag in ('Rows', 'Columns', 'PixelSpacing', 'ImageOrientationPatient'):
        _same(headers, tag)
    x_sign, y_sign = _axes(headers[0])
    headers = sorted(headers, key=lambda h: float(h.ImagePositionPatient[2]))
    z = np.array([float(h.ImagePositionPatient[2]) for h in headers])
    dz = _check_stack(headers, z)
    dy, dx = (float(v) for v in headers[0].PixelSpacing)  # DICOM: between rows first
    ny, nx = int(headers[0].Rows), int(headers[0].Columns)
    x0, y0 = (float(v) for v in headers[0].ImagePositionPatient[:2])

    hu = np.empty((len(headers), ny, nx), np.int16)
    clipped = 0
    for k, header in enumerate(headers):
        image = pydicom.dcmread(header.filename)
        try:
            stored = image.pixel_array
        except Exception as e:  # pydicom raises many kinds for a picture that it cannot unpack
            raise BadInput(f'{header.filename}: cannot unpack the image ({e})') from None
        values = stored * float(image.get('RescaleSlope', 1)) + float(image.get('RescaleIntercept', 0))
        # scanners fill the corners outside their field of view with -2000 and less
        clipped += int((values < AIR_HU).sum())
        hu[k] = np.clip(np.rint(values), AIR_HU, np.iinfo(np.int16).max)
    if clipped:
        say(f'{clipped} voxels below {AIR_HU} HU set to {AIR_HU}')
    if x_sign < 0:
        hu, x0 = hu[:, :, ::-1], x0 - dx * (nx - 1)
    if y_sign < 0:
        hu, y0 = hu[:, ::-1], y0 - dy * (ny - 1)
    return (np.ascontiguousarray(hu), np.array([dx, dy, dz]), np.array([x0, y0, z[0]]),
            str(headers[0].get('PatientPosition', 'HFS')))
