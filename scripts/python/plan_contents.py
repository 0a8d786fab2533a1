"""What a plan, a case or a dose file holds, for writing it in other formats. Only the file's own objects are read."""
from dataclasses import dataclass, field

import h5py
import numpy as np

from case_file import BadInput
from mask_outline import mask_polygons
from own_objects import open_file, own


@dataclass
class Roi:
    name: str
    role: str
    colour: tuple = None
    density_g_cm3: float = None
    polygons: list = field(default_factory=list)  # each n x 3, mm
    mask: np.ndarray = None


@dataclass
class ControlledBeam:
    name: str
    technique: str
    machine: str
    attributes: dict
    arrays: dict  # name -> array, as docs/plan-format.md names them


@dataclass
class Contents:
    path: str
    technique: str = ''
    machine: str = ''
    patient_position: str = 'HFS'
    hu: np.ndarray = None
    ct_spacing_mm: np.ndarray = None
    ct_origin_mm: np.ndarray = None
    dose_gy: np.ndarray = None
    dose_spacing_mm: np.ndarray = None
    dose_origin_mm: np.ndarray = None
    structures: list = field(default_factory=list)
    prescription: dict = field(default_factory=dict)
    beams: list = field(default_factory=list)     # with control points and monitor units
    fluence_gantry_deg: list = field(default_factory=list)  # of beams that have only bixel weights
    dvh: dict = field(default_factory=dict)       # name -> (dose_gy, volume_cc)


def text(value, default=''):
    if value is None:
        return default
    return value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value)


def grid_of(dataset, otherwise=None):
    vectors = []
    for name in ('spacing_mm', 'origin_mm'):
        v = dataset.attrs.get(name)
        if v is None and otherwise is not None:
            v = otherwise[name == 'origin_mm']
        v = np.asarray(v if v is not None else (0 if name == 'origin_mm' else np.nan), float).ravel()
        v = np.repeat(v, 3) if v.size == 1 else v
        if v.shape != (3,) or not np.isfinite(v).all() or (name == 'spacing_mm' and (v <= 0).any()):
            raise BadInput(f'{dataset.file.filename}:{dataset.name} has no good {name} (x, y, z in mm)')
        vectors.append(v)
    return vectors


def _array(f, path, dimensions):
    d = own(f, path)
    if not isinstance(d, h5py.Dataset) or d.ndim != dimensions or d.size == 0 or d.dtype.kind not in 'iufb':
        raise BadInput(f'{f.filename}:{path} is no array of numbers with {dimensions} dimensions')
    return d


def _structure(f, path, name, c):
    g = own(f, path)
    colour, density = g.attrs.get('colour'), g.attrs.get('density_g_cm3')
    roi = Roi(name, text(g.attrs.get('role'), 'organ'), tuple(int(v) for v in colour) if colour is not None else None,
              float(density) if density is not None else None)
    if own(f, f'{path}/mask', required=False) is not None:
        mask = _array(f, f'{path}/mask', 3)
        if c.hu is None or mask.shape != c.hu.shape:
            raise BadInput(f'{f.filename}:{path}/mask has not the shape of the CT')
        roi.mask = mask[...] != 0
        roi.polygons = mask_polygons(roi.mask, c.ct_spacing_mm, c.ct_origin_mm)
        return roi
    points = own(f, f'{path}/points_mm', required=False)
    if points is None or points.size == 0:
        return roi
    points = np.asarray(_array(f, f'{path}/points_mm', 2)[...], float)
    offsets = own(f, f'{path}/offsets', required=False)
    offsets = offsets[...].astype(np.int64) if offsets is not None else np.array([0, len(points)])
    if points.shape[1] != 3 or not np.isfinite(points).all() or offsets.ndim != 1 or (np.diff(offsets) < 0).any() or \
            (len(offsets) and (offsets[0] < 0 or offsets[-1] > len(points))):
        raise BadInput(f'{f.filename}:{path} has points or offsets that cannot be')
    roi.polygons = [points[a:b] for a, b in zip(offsets[:-1], offsets[1:]) if b - a >= 3]
    return roi


def _beams(f, c):
    beams = own(f, 'beams', required=False)
    if beams is None:
        return
    for key in sorted(beams, key=lambda k: (len(k), k)):
        g = own(f, f'beams/{key}')
        if own(f, f'beams/{key}/cumulative_mu', required=False) is None:
            gantry = own(f, f'beams/{key}/gantry_deg', required=False)
            c.fluence_gantry_deg.append(float(np.ravel(gantry[()])[0]) if gantry is not None else float('nan'))
            continue
        arrays = {}
        for name, dimensions in (('gantry_deg', 1), ('collimator_deg', 1), ('couch_deg', 1), ('cumulative_mu', 1),
                                 ('jaws_mm', 2), ('leaves_mm', 3), ('leaf_boundaries_mm', 1), ('gantry_turn', 1)):
            d = own(f, f'beams/{key}/{name}', required=name in ('gantry_deg', 'cumulative_mu', 'jaws_mm'))
            if d is not None:
                arrays[name] = np.asarray(_array(f, f'beams/{key}/{name}', dimensions)[...], float)
        n = len(arrays['cumulative_mu'])
        for name, a in arrays.items():
            if (name != 'leaf_boundaries_mm' and len(a) != n) or not np.isfinite(a).all():
                raise BadInput(f'{f.filename}:beams/{key}/{name} has not a number for each of {n} control points')
        attributes = {k: g.attrs[k] for k in g.attrs}
        if 'leaves_mm' in arrays:
            attributes['leaf_axis'] = text(g['leaves_mm'].attrs.get('axis'), 'x')
        c.beams.append(ControlledBeam(text(g.attrs.get('name'), f'Beam {key}'), text(g.attrs.get('technique')),
                                      text(g.attrs.get('machine')), attributes, arrays))


def read_contents(path):
    c = Contents(str(path))
    with open_file(path) as f:
        c.technique, c.machine = text(f.attrs.get('technique')), text(f.attrs.get('machine'))
        root = 'case/' if own(f, 'case', required=False) is not None else ''
        if own(f, f'{root}ct/hu', required=False) is not None:
            d = _array(f, f'{root}ct/hu', 3)
            c.hu, (c.ct_spacing_mm, c.ct_origin_mm) = d[...].astype(np.int16), grid_of(d)
            c.patient_position = text(d.attrs.get('patient_position'), 'HFS')
        if own(f, 'dose/dose_gy', required=False) is not None:
            d = _array(f, 'dose/dose_gy', 3)
            c.dose_gy, (c.dose_spacing_mm, c.dose_origin_mm) = d[...].astype(np.float64), grid_of(d)
            if not (np.isfinite(c.dose_gy).all() and (c.dose_gy >= 0).all()):
                raise BadInput(f'{path}:/dose/dose_gy has values that are no dose')
        structures = own(f, f'{root}structures', required=False)
        for name in structures if structures is not None else ():
            c.structures.append(_structure(f, f'{root}structures/{name}', name, c))
        prescription = own(f, f'{root}prescription', required=False)
        if prescription is None and root:
            prescription = own(f, 'prescription', required=False)
        if prescription is not None:
            c.prescription = {k: (text(v) if isinstance(v, (bytes, str)) else v.item()) for k, v in prescription.attrs.items()}
        if f.attrs.get('fractions'):  # of an imported plan: what its RTPLAN says stands before the case
            c.prescription['fractions'] = int(f.attrs['fractions'])
        _beams(f, c)
        for name in (own(f, 'dvh', required=False) or {}):
            dose, volume = own(f, f'dvh/{name}/dose_gy'), own(f, f'dvh/{name}/volume_cc')
            c.dvh[name] = (dose[...].astype(float), volume[...].astype(float))
    return c
