"""Reads RTSTRUCT contours into structures of a case."""
import fnmatch

import numpy as np

from case_file import ROLES, BadInput, Structure, role_from_name
from dicom_files import read_one, safe_name

TYPE_ROLES = {'EXTERNAL': 'external', 'GTV': 'gtv', 'CTV': 'ctv', 'PTV': 'ptv', 'SUPPORT': 'support'}
# Rings and helpers carry the target's name ("PTV_ring") without being one.
NO_TARGET_TYPES = ('CONTROL', 'AVOIDANCE', 'DOSE_REGION', 'ISOCENTER', 'MARKER', 'REGISTRATION', 'CONTRAST_AGENT')
CLOSED = ('CLOSED_PLANAR', 'CLOSEDPLANAR_XOR')  # the second: holes by even-odd, as a case counts them anyway


def refers_to(structure_set, series_uid, frame_uid):
    """By the series it names, else by the frame of reference; a set that names neither is taken as fitting."""
    frames = set()
    for frame in structure_set.get('ReferencedFrameOfReferenceSequence', []):
        frames.add(str(frame.get('FrameOfReferenceUID', '')))
        for study in frame.get('RTReferencedStudySequence', []):
            for series in study.get('RTReferencedSeriesSequence', []):
                return str(series.SeriesInstanceUID) == series_uid
    return not frames or frame_uid in frames


def choose_sets(found, series_uid, frame_uid, wish):
    if wish:
        return [read_one(wish, 'RTSTRUCT')]
    return [s for s in found.structure_sets if refers_to(s, series_uid, frame_uid)]


def _polygons(roi_contours, case, name, say):
    z_mm, dz = case.slice_positions_mm(), case.spacing_mm[2]
    polygons, outside, open_ones = [], 0, 0
    for item in roi_contours.get('ContourSequence', []):
        data = np.array([float(v) for v in item.get('ContourData') or []])
        if item.get('ContourGeometricType', 'CLOSED_PLANAR') not in CLOSED or len(data) < 9 or len(data) % 3:
            open_ones += 1
            continue
        points = data.reshape(-1, 3)
        if not np.isfinite(points).all():
            raise BadInput(f'structure "{name}" has a contour with a coordinate that is no number')
        if np.ptp(points[:, 2]) > 0.1:
            raise BadInput(f'structure "{name}" has a contour that is not axial: z from {points[:, 2].min():g} to '
                           f'{points[:, 2].max():g} mm')
        z = points[:, 2].mean()
        k = int(np.rint((z - z_mm[0]) / dz))
        if not 0 <= k < len(z_mm):
            outside += 1
            continue
        # a plane named to the nearest tenth still means that slice
        points[:, 2] = z_mm[k] if abs(z - z_mm[k]) < 0.1 * dz else z
        polygons.append(points)
    if outside:
        say(f'"{name}": {outside} contours lie above or below the CT and are left out')
    if open_ones:
        say(f'"{name}": {open_ones} points or open lines are left out')
    return polygons


def _role(name, observation):
    """What plan2dicom noted down, else the type, else the name."""
    noted = str(observation.get('ROIObservationLabel', ''))
    if noted.startswith('role:') and noted[5:] in ROLES:
        return noted[5:]
    interpreted = str(observation.get('RTROIInterpretedType', ''))
    if interpreted in TYPE_ROLES:
        return TYPE_ROLES[interpreted]
    role = role_from_name(name)
    return 'organ' if interpreted in NO_TARGET_TYPES and role in ('gtv', 'ctv', 'ptv', 'external') else role


def read_structures(sets, case, roles, keep, say):
    """Adds the structures of all sets to the case."""
    seen = {}
    for structure_set in sets:
        label = structure_set.get('StructureSetLabel', structure_set.filename)
        observations = {int(o.ReferencedROINumber): o for o in structure_set.get('RTROIObservationsSequence', [])}
        contours = {int(c.ReferencedROINumber): c for c in structure_set.get('ROIContourSequence', [])}
        for roi in structure_set.get('StructureSetROISequence', []):
            number = int(roi.ROINumber)
            name = safe_name(roi.get('ROIName', ''), f'ROI {number}')
            if keep and not any(fnmatch.fnmatchcase(name, pattern) for pattern in keep):
                continue
            if name in seen:
                raise BadInput(f'structure "{name}" is in "{seen[name]}" and in "{label}"; choose one RTSTRUCT with '
                               '--structures FILE')
            polygons = _polygons(contours[number], case, name, say) if number in contours else []
            if not polygons:
                say(f'"{name}" has no contours on this CT and is left out')
                continue
            colour = contours[number].get('ROIDisplayColor')
            seen[name] = label
            case.structures.append(Structure(name, roles.pop(name, None) or _role(name, observations.get(number, {})),
                                             tuple(int(v) for v in colour) if colour else None, polygons))
    if roles:
        raise BadInput(f'--role names structures that are not there: {", ".join(roles)}; there are: ' + ', '.join(seen))
