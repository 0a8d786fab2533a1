"""Writes case files (docs/case-format.md) from Python: what the importers have in common."""
import pathlib
import re
from dataclasses import dataclass, field

import h5py
import numpy as np

from atomic_write import whole_path

CASE_VERSION = 1
ROLES = ('external', 'gtv', 'ctv', 'ptv', 'cord', 'prv', 'organ', 'hardware', 'support', 'sector')

# First match wins; names are compared in lower case with everything but letters and digits taken as blanks.
NAME_ROLES = (
    (r'\bprv ?\d*\b|prv ?\d*$|\b(cord|myelon)\b.*(\bplus\b|\b\d+ ?mm\b)', 'prv'),
    (r'^(body|external|skin|patient|outline|outer contour|aussenkontur)\b', 'external'),
    (r'^body ?\d*$', 'external'),
    (r'^[a-z]{0,2} ?(gtv|gross tumou?r)', 'gtv'),
    (r'^[a-z]{0,2} ?(ctv|itv|igtv)', 'ctv'),
    (r'^[a-z]{0,2} ?(ptv|outer ?target|target)', 'ptv'),
    (r'\bcanal\b', 'organ'),
    (r'\b(spinal ?cord|spine cord|cord|myelon|medulla spinalis|r.{1,2}ckenmark|moelle|medula espinal)\b', 'cord'),
    (r'\b(couch|table|baseplate|immobili[sz]ation|mask|vac ?bag|tabletop)\b', 'support'),
    (r'\b(screws?|rods?|cages?|implants?|hardware|prosthes[ie]s|metal|titanium)\b', 'hardware'),
)


class BadInput(Exception):
    """One clear sentence for the person who called the script."""


@dataclass
class Structure:
    name: str
    role: str
    colour: tuple = None
    polygons: list = field(default_factory=list)  # each N x 3, mm, LPS, one z
    mask: np.ndarray = None                       # on the CT grid, [z][y][x]


@dataclass
class Case:
    hu: np.ndarray            # int16 [z][y][x]
    spacing_mm: np.ndarray    # x, y, z
    origin_mm: np.ndarray     # centre of voxel (0, 0, 0)
    patient_position: str = 'HFS'
    structures: list = field(default_factory=list)
    prescription: dict = field(default_factory=dict)
    source: str = ''

    def find(self, name):
        for s in self.structures:
            if s.name == name:
                return s
        raise BadInput(f'there is no structure "{name}"; the case has ' + ', '.join(s.name for s in self.structures))

    def find_role(self, role):
        return next((s for s in self.structures if s.role == role), None)

    def slice_positions_mm(self):
        return self.origin_mm[2] + self.spacing_mm[2] * np.arange(self.hu.shape[0])


def role_from_name(name):
    # "SpinalCord_auto" reads as "spinal cord auto"
    words = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name)
    words = words.replace('+', ' plus ')
    words = re.sub(r'[\W_]+', ' ', words).strip().lower()
    for pattern, role in NAME_ROLES:
        if re.search(pattern, words):
            return role
    return 'organ'


def parse_roles(pairs):
    """--role NAME=ROLE, given any number of times."""
    roles = {}
    for pair in pairs or ():
        name, separator, role = pair.rpartition('=')
        if not separator or role not in ROLES:
            raise BadInput(f'--role {pair}: expected NAME=ROLE with a role of {", ".join(ROLES)}')
        roles[name] = role
    return roles


def keep_single_roles(structures, say):
    """A case has one external and one cord: later ones become organs, and that is said."""
    for role in ('external', 'cord'):
        first = None
        for s in structures:
            if s.role != role:
                continue
            if first:
                say(f'"{s.name}" looks like a second {role} beside "{first.name}": taken as an organ '
                    f'(--role "{s.name}={role}" and --role "{first.name}=organ" to swap)')
                s.role = 'organ'
            else:
                first = s


def add_case_arguments(parser):
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path, metavar='CASE', help='case file to write')
    parser.add_argument('--role', action='append', metavar='NAME=ROLE',
                        help=f'role of a structure, where its name does not tell ({", ".join(ROLES)})')
    parser.add_argument('--keep', action='append', metavar='NAME',
                        help='take only this structure (any number of times; * and ? work)')
    parser.add_argument('--target', metavar='NAME', help='structure that the prescription is for')
    parser.add_argument('--target-dose', type=float, metavar='GY', help='prescribed dose, whole course')
    parser.add_argument('--fractions', type=int, metavar='N')
    parser.add_argument('--protocol', metavar='NAME', help='planning protocol, for example sc24-24gy-2fx')
    parser.add_argument('--make-target', metavar='NAME[:MARGIN_MM]',
                        help='make a CTV of structure NAME (a vertebral body) and a PTV of it: CTV + margin (2 mm) '
                             'without cord + 2 mm; a rule for data without targets, not a clinical target')


def prescription_from(args):
    p = {'dose_gy': args.target_dose, 'fractions': args.fractions, 'target': args.target, 'protocol': args.protocol}
    if (args.target_dose is None) != (args.fractions is None):
        raise BadInput('--target-dose and --fractions belong together')
    if args.target and args.target_dose is None and not args.protocol:
        raise BadInput('--target says what a prescription is for: give --target-dose and --fractions, or --protocol')
    if args.target_dose is not None and (not args.target_dose > 0 or args.fractions < 1):
        raise BadInput('--target-dose and --fractions must be positive')
    return {key: value for key, value in p.items() if value is not None}


def _write_grid(dataset, case):
    dataset.attrs['spacing_mm'] = np.asarray(case.spacing_mm, float)
    dataset.attrs['origin_mm'] = np.asarray(case.origin_mm, float)


def _write_structure(parent, s, case):
    group = parent.create_group(s.name)
    group.attrs['role'] = s.role
    if s.colour is not None:
        group.attrs['colour'] = np.asarray(s.colour, np.uint8)
    if s.mask is not None:
        nz, ny, nx = s.mask.shape
        mask = group.create_dataset('mask', data=s.mask.astype(np.uint8), chunks=(min(8, nz), ny, nx),
                                    compression='gzip', compression_opts=6, shuffle=True)
        _write_grid(mask, case)
        return
    points = np.concatenate(s.polygons) if s.polygons else np.zeros((0, 3))
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in s.polygons])])
    # hundredths of a millimetre: far below any contouring error, and half the bytes
    packing = {'compression': 'gzip', 'shuffle': True} if len(points) else {}
    group.create_dataset('points_mm', data=np.round(points, 2), **packing)
    group.create_dataset('offsets', data=offsets.astype(np.uint64))


def write_case(case, path):
    """Whole or not at all."""
    with whole_path(path) as temporary, h5py.File(temporary, 'w', track_order=True) as f:
        f.attrs['format'], f.attrs['version'] = 'spineplan-case', np.int32(CASE_VERSION)
        if case.source:
            f.attrs['source'] = case.source
        nz, ny, nx = case.hu.shape
        hu = f.create_dataset('ct/hu', data=case.hu.astype(np.int16), chunks=(min(8, nz), ny, nx),
                              compression='gzip', compression_opts=6, shuffle=True)
        _write_grid(hu, case)
        hu.attrs['patient_position'] = case.patient_position
        structures = f.create_group('structures', track_order=True)
        for s in case.structures:
            _write_structure(structures, s, case)
        if case.prescription.keys() & {'dose_gy', 'protocol'}:
            group = f.create_group('prescription')
            for key, value in case.prescription.items():
                group.attrs[key] = value
