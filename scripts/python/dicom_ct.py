"""Reads one CT series of a DICOM folder into HU on a regular grid, whatever the order of the files."""
import numpy as np

from case_file import BadInput
from dicom_files import axial_signs, read_dicom

POSITION_TOLERANCE_MM = 0.05  # what rounding in DICOM's decimal strings and scanner jitter leave
AIR_HU = -1024


def choose_series(found, wish):
    """The only series, or the one whose UID (or its end) or number is asked for."""
    if not found.series:
        if found.no_position:
            d = found.no_position[0]
            many = ' (a multi-frame image: convert it to single slices first)' if d.get('NumberOfFrames') else ''
            raise BadInput(f'{d.filename} has no ImagePositionPatient: it does not say where it lies{many}')
        raise BadInput('the folder holds no CT image in DICOM format')
    matches = [uid for uid, headers in found.series.items()
               if not wish or uid == wish or uid.endswith(wish) or str(headers[0].get('SeriesNumber', '')) == wish]
    if len(matches) == 1:
        return matches[0]
    lines = [f'  number {h[0].get("SeriesNumber", "-")}, {len(h)} images, "{h[0].get("SeriesDescription", "")}", {uid}'
             for uid, h in found.series.items()]
    asked = f'--series {wish} names {len(matches)} series' if wish else f'there are {len(lines)} CT series'
    raise BadInput(f'{asked}; choose one by number or UID with --series:\n' + '\n'.join(lines))


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
    frames = sorted({str(h.get('FrameOfReferenceUID', '')) for h in headers})
    if len(frames) > 1:
        raise BadInput(f'the series mixes {len(frames)} frames of reference ({frames[0] or "none"}, {frames[1]}): its images '
                       'were not taken in one position of the patient')
    if any(int(h.get('NumberOfFrames') or 1) > 1 for h in headers):
        raise BadInput(f'{headers[0].filename} is a multi-frame image: convert it to single slices first')
    if int(headers[0].get('SamplesPerPixel', 1)) != 1:
        raise BadInput(f'{headers[0].filename} is a colour image, expected one value a pixel')
    x_sign, y_sign = axial_signs(headers[0])
    headers = sorted(headers, key=lambda h: float(h.ImagePositionPatient[2]))
    z = np.array([float(h.ImagePositionPatient[2]) for h in headers])
    dz = _check_stack(headers, z)
    dy, dx = (float(v) for v in headers[0].PixelSpacing)  # DICOM: between rows first
    ny, nx = int(headers[0].Rows), int(headers[0].Columns)
    x0, y0 = (float(v) for v in headers[0].ImagePositionPatient[:2])

    hu = np.empty((len(headers), ny, nx), np.int16)
    clipped = 0
    for k, header in enumerate(headers):
        image = read_dicom(header.filename)
        try:
            stored = image.pixel_array
        except Exception as e:  # pydicom raises many kinds for a picture that it cannot unpack
            syntax = image.file_meta.get('TransferSyntaxUID') if 'file_meta' in image.__dict__ else None
            raise BadInput(f'{header.filename}: cannot read the pixels ({" ".join(str(e).split())[:200]}; transfer syntax '
                           f'{getattr(syntax, "name", "not given")})') from None
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
