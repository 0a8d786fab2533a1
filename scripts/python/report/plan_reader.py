"""Reads a plan file (docs/plan-format.md) for the report."""
import json
from dataclasses import dataclass, field

import h5py
import numpy as np

from case_file import BadInput

# by role, where the case names no colour
ROLE_COLOURS = {'external': (120, 170, 130), 'gtv': (255, 90, 60), 'ctv': (255, 160, 50), 'ptv': (235, 50, 70),
                'cord': (60, 200, 255), 'prv': (120, 150, 255), 'hardware': (170, 170, 190), 'support': (140, 140, 140)}
ORGAN_COLOURS = ((90, 190, 110), (200, 130, 220), (230, 200, 70), (80, 160, 220), (220, 140, 110), (120, 210, 190),
                 (190, 160, 120), (160, 130, 230), (230, 120, 170), (150, 190, 60))


@dataclass
class Grid:
    values: np.ndarray      # [z][y][x]
    spacing_mm: np.ndarray  # x, y, z
    origin_mm: np.ndarray


@dataclass
class PlanStructure:
    name: str
    role: str
    colour: tuple
    polygons: list = None
    mask: Grid = None


@dataclass
class Beam:
    name: str
    facts: dict
    x_mm: np.ndarray = None
    y_mm: np.ndarray = None
    weights: np.ndarray = None
    bixel_mm: float = 5.0
    points: dict = None  # of beams with control points: cumulative_mu, gantry_deg, jaws_mm, leaves_mm, leaf_boundaries_mm


@dataclass
class Plan:
    path: str
    technique: str
    machine: str
    dose: Grid
    ct: Grid = None
    structures: list = field(default_factory=list)
    beams: list = field(default_factory=list)
    dvh: dict = field(default_factory=dict)  # name -> (dose_gy, volume_cc)
    evaluation: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    prescription: dict = field(default_factory=dict)
    robustness: dict = field(default_factory=dict)
    bands: dict = field(default_factory=dict)  # name -> (dose_gy, least volume_cc, most volume_cc) over the scenarios
    metal: tuple = ()  # doses with implants and with water in their place, on one grid
    targets: dict = field(default_factory=dict)  # how the targets were made (docs/targets.md)

    def reference_gy(self):
        """What 100 % means: the prescribed dose, or the maximum where nothing is prescribed."""
        return float(self.prescription.get('dose_gy') or self.dose.values.max() or 1.0)


def _plain(value):
    """HDF5 attribute or data set content as plain Python."""
    if isinstance(value, bytes):
        return value.decode('utf-8', 'replace')
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value] if value.ndim else _plain(value.item())
    return value.item() if isinstance(value, np.generic) else value


def _get(group, name, default=None):
    """An attribute or a small data set of that name."""
    if name in group.attrs:
        return _plain(group.attrs[name])
    if name in group and isinstance(group[name], h5py.Dataset):
        return _plain(group[name][()])
    return default


def _numbers(group, name):
    value = group.attrs[name] if name in group.attrs else group[name][()] if name in group else None
    return None if value is None else np.atleast_1d(np.asarray(value, float))


def _grid(dataset, fallback=None):
    spacing = dataset.attrs.get('spacing_mm', getattr(fallback, 'spacing_mm', None))
    origin = dataset.attrs.get('origin_mm', getattr(fallback, 'origin_mm', None))
    if spacing is None or origin is None or dataset.ndim != 3:
        raise BadInput(f'{dataset.file.filename}:{dataset.name} is no grid: expected three dimensions and the attributes '
                       'spacing_mm and origin_mm')
    return Grid(dataset[()], np.asarray(spacing, float), np.asarray(origin, float))


def _json(f, name):
    text = _get(f, name)
    if text is None:
        return {}
    try:
        return json.loads(text)
    except (TypeError, ValueError) as e:
        raise BadInput(f'{f.filename}:/{name} is no JSON: {e}') from None


def _structures(f, ct):
    organs = 0
    for name, group in f.get('structures', {}).items():
        role = str(_get(group, 'role', 'organ'))
        colour = _get(group, 'colour')
        if colour is None:
            colour = ROLE_COLOURS.get(role)
            if colour is None:
                colour = ORGAN_COLOURS[organs % len(ORGAN_COLOURS)]
                organs += 1
        s = PlanStructure(name, role, tuple(int(v) for v in colour))
        if 'mask' in group:
            s.mask = _grid(group['mask'], ct)
        elif 'points_mm' in group:
            points, offsets = group['points_mm'][()].reshape(-1, 3), group['offsets'][()].astype(int)
            s.polygons = [points[a:b] for a, b in zip(offsets, offsets[1:]) if b > a]
        yield s


def _points(b):
    """The arrays of a beam's control points, or None where it has bixels."""
    names = ('cumulative_mu', 'gantry_deg', 'jaws_mm', 'leaves_mm', 'leaf_boundaries_mm')
    found = {name: np.asarray(b[name][()], float) for name in names if name in b and isinstance(b[name], h5py.Dataset)}
    n = found.get('cumulative_mu', np.empty(0)).size
    if n == 0:
        return None
    if found.get('jaws_mm', np.empty(0)).shape != (n, 4) or found.get('gantry_deg', np.empty(0)).shape != (n,):
        raise BadInput(f'{b.file.filename}:{b.name} has not jaws_mm and gantry_deg for each of {n} control points')
    if 'leaves_mm' in found:
        pairs = found.get('leaf_boundaries_mm', np.empty(1)).size - 1
        if found['leaves_mm'].shape != (n, 2, pairs):
            raise BadInput(f'{b.file.filename}:{b.name} has not leaves_mm of {n} control points and {pairs} pairs')
        found['along_y'] = _plain(b['leaves_mm'].attrs.get('axis', 'x')) == 'y'
    return found


def _beams(f):
    group = f.get('beams', {})
    for name in sorted(group, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n)):
        b = group[name]
        facts = {}
        for key in ('technique', 'machine', 'isocentre_mm', 'mu', 'gantry_deg', 'collimator_deg', 'couch_deg'):
            value = _numbers(b, key) if key not in ('technique', 'machine') else _get(b, key)
            if value is not None:
                facts[key] = value
        yield Beam(str(_get(b, 'name', name)), facts, _numbers(b, 'bixel_x_mm'), _numbers(b, 'bixel_y_mm'),
                   _numbers(b, 'weights'), float(_get(b, 'bixel_mm', 5.0)), _points(b))


def read_plan(path):
    try:
        f = h5py.File(path, 'r')
    except OSError as e:
        raise BadInput(f'{path}: {e}') from None
    with f:
        if 'dose/dose_gy' not in f:
            raise BadInput(f'{path} has no /dose/dose_gy: it is no plan')
        plan = Plan(str(path), '', '', _grid(f['dose/dose_gy']))
        if 'ct/hu' in f:
            plan.ct = _grid(f['ct/hu'])
        plan.structures = list(_structures(f, plan.ct))
        plan.beams = list(_beams(f))
        plan.evaluation = _json(f, 'evaluation')
        plan.provenance = _json(f, 'provenance') or plan.evaluation.get('provenance') or {}
        plan.targets = _json(f, 'case/targets') if 'case/targets' in f else {}
        if 'prescription' in f:
            plan.prescription = {key: _plain(value) for key, value in f['prescription'].attrs.items()}
        first = plan.beams[0].facts if plan.beams else {}
        plan.technique = str(_get(f, 'technique', first.get('technique', '')))
        plan.machine = str(_get(f, 'machine', first.get('machine', '')))
        for name, group in f.get('dvh', {}).items():
            dose, volume = _numbers(group, 'dose_gy'), _numbers(group, 'volume_cc')
            if dose is not None and volume is not None and len(dose) == len(volume) > 1:
                plan.dvh[name] = (dose, volume)
    return plan


def read_robustness(plan, path):
    """Adds what set-up errors do to the plan: docs/robustness.md."""
    try:
        f = h5py.File(path, 'r')
    except OSError as e:
        raise BadInput(f'{path}: {e}') from None
    with f:
        if _get(f, 'format') != 'spineplan-robustness':
            raise BadInput(f'{path} is no result of `spineplan robustness`')
        plan.robustness = _json(f, 'robustness')
        for name, group in f.get('dvh', {}).items():
            volume = group['volume_cc'][()]
            plan.bands[name] = (group['dose_gy'][()], volume.min(0), volume.max(0))


def read_dose(path):
    """The dose of a plan or dose file."""
    try:
        with h5py.File(path, 'r') as f:
            if 'dose/dose_gy' not in f:
                raise BadInput(f'{path} has no /dose/dose_gy')
            return _grid(f['dose/dose_gy'])
    except OSError as e:
        raise BadInput(f'{path}: {e}') from None
