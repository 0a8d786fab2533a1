"""Reads the beams of an RTPLAN: every control point with all that it inherits from those before it.

DICOM says a value at a control point only when it changes; here each control point has them all. Lengths are in the
isocentre plane, in the axes of the beam limiting devices; angles are IEC 61217, as DICOM has them.
"""
from dataclasses import dataclass

import numpy as np

from case_file import BadInput
from dicom_files import safe_name


@dataclass
class Beam:
    name: str
    machine: str
    energy_mv: float
    is_fff: bool
    sad_mm: float
    isocentre_mm: np.ndarray
    mu: float                      # of one fraction; 0 where the plan does not say
    beam_dose_gy: float            # of one fraction, as the plan says; NaN where it does not
    gantry_deg: np.ndarray         # n
    collimator_deg: np.ndarray     # n
    couch_deg: np.ndarray          # n
    jaws_mm: np.ndarray            # n x 4: X1 X2 Y1 Y2
    cumulative_mu: np.ndarray      # n
    gantry_turns: list             # n: CW, CC or NONE, until the next control point
    leaves_mm: np.ndarray = None   # n x 2 x pairs
    leaf_boundaries_mm: np.ndarray = None  # pairs + 1
    leaf_axis: str = ''            # x: leaves move along x (MLCX); y: along y
    number: int = 0                # in the RTPLAN
    fluence_mode: str = ''         # what a non-standard fluence is called, where it is not FFF
    warnings: tuple = ()


OPEN_JAW_MM = 200.0  # where there is no jaw along an axis: the largest field of common machines


def _devices(beam):
    """Jaw pairs per axis, and the MLC."""
    axes, mlc = {}, None
    for device in beam.get('BeamLimitingDeviceSequence') or []:
        kind = str(device.RTBeamLimitingDeviceType)
        if kind.startswith('MLC'):
            if mlc is not None:
                raise BadInput(f'beam {beam.BeamNumber} has two multileaf collimators; only one is understood')
            mlc = device
        elif kind in ('X', 'Y', 'ASYMX', 'ASYMY'):
            axes[kind] = kind[-1].lower()
        else:
            raise BadInput(f'beam {beam.BeamNumber} has a beam limiting device of type {kind}, which is not understood')
    return axes, mlc


def _refuse_unusual(beam):
    number = beam.get('BeamNumber', '?')
    if str(beam.get('RadiationType', 'PHOTON')) != 'PHOTON':
        raise BadInput(f'beam {number} is of {beam.RadiationType}: only photons are planned here')
    for tag, what in (('NumberOfWedges', 'wedges'), ('NumberOfBlocks', 'blocks'), ('NumberOfCompensators', 'compensators'),
                      ('NumberOfBoli', 'boluses')):
        if int(beam.get(tag) or 0) > 0:
            raise BadInput(f'beam {number} has {what}, which the plan format has no place for')
    if beam.get('ApplicatorSequence'):
        raise BadInput(f'beam {number} has an applicator, which the plan format has no place for')
    for p in beam.get('ControlPointSequence') or []:
        for tag, what in (('GantryPitchAngle', 'gantry'), ('TableTopPitchAngle', 'couch'), ('TableTopRollAngle', 'couch')):
            tilt = float(p.get(tag) or 0)
            if min(tilt % 360, -tilt % 360) > 0.01:
                raise BadInput(f'beam {number} tilts its {what} by {tilt:g} degrees ({tag}), which the plan format has no '
                               'place for')


def _boundaries(mlc):
    edges = [float(v) for v in mlc.get('LeafPositionBoundaries') or []]
    if len(edges) != int(mlc.NumberOfLeafJawPairs) + 1 or (np.diff(edges) <= 0).any():
        raise BadInput(f'the multileaf collimator has {len(edges)} leaf boundaries for {mlc.NumberOfLeafJawPairs} pairs of '
                       'leaves, expected one more than pairs, in ascending order')
    return np.array(edges)


def _read_beam(beam, meterset, beam_dose):
    _refuse_unusual(beam)
    number = int(beam.get('BeamNumber', 0))
    axes, mlc = _devices(beam)
    points = beam.get('ControlPointSequence') or []
    if len(points) < 2:
        raise BadInput(f'beam {number} has {len(points)} control points, expected at least 2')
    now = {'gantry': None, 'collimator': 0.0, 'couch': 0.0, 'turn': 'NONE', 'energy': None, 'isocentre': None,
           'x': [-OPEN_JAW_MM, OPEN_JAW_MM], 'y': [-OPEN_JAW_MM, OPEN_JAW_MM], 'leaves': None}
    rows = []
    for p in points:
        for key, tag in (('gantry', 'GantryAngle'), ('collimator', 'BeamLimitingDeviceAngle'),
                         ('couch', 'PatientSupportAngle'), ('energy', 'NominalBeamEnergy')):
            if p.get(tag) is None:
                continue
            if key == 'energy' and now['energy'] not in (None, float(p.get(tag))):
                raise BadInput(f'beam {number} changes its energy between control points, which is not understood')
            now[key] = float(p.get(tag))
        now['turn'] = str(p.get('GantryRotationDirection') or now['turn'])
        if p.get('IsocenterPosition'):
            centre = np.array([float(v) for v in p.IsocenterPosition])
            if now['isocentre'] is not None and np.abs(centre - now['isocentre']).max() > 0.01:
                raise BadInput(f'beam {number} moves its isocentre between control points, which is not understood')
            now['isocentre'] = centre
        for device in p.get('BeamLimitingDevicePositionSequence') or []:
            kind, at = str(device.RTBeamLimitingDeviceType), [float(v) for v in device.LeafJawPositions]
            if kind.startswith('MLC'):
                if mlc is None or len(at) != 2 * int(mlc.NumberOfLeafJawPairs):
                    raise BadInput(f'beam {number} has {len(at)} leaf positions, not two for each of its pairs')
                now['leaves'] = np.array(at).reshape(2, -1)
            elif kind in axes and len(at) == 2:
                now[axes[kind]] = at
        if now['gantry'] is None or now['isocentre'] is None:
            raise BadInput(f'beam {number} does not say its {"gantry angle" if now["gantry"] is None else "isocentre"} at '
                           'the first control point')
        if mlc is not None and now['leaves'] is None:
            raise BadInput(f'beam {number} does not say where its leaves are at the first control point')
        rows.append((now['gantry'], now['collimator'], now['couch'], [*now['x'], *now['y']], now['leaves'], now['turn'],
                     float(p.get('CumulativeMetersetWeight') or 0.0)))
    weights = np.array([r[6] for r in rows])
    final = float(beam.get('FinalCumulativeMetersetWeight') or weights[-1])
    if (np.diff(weights) < -1e-6).any() or not final > 0:
        raise BadInput(f'beam {number}: its cumulative meterset weights fall, or end at zero')
    fluence = next(iter(beam.get('PrimaryFluenceModeSequence') or []), {})
    mode = safe_name(fluence.get('FluenceModeID') or 'FFF', 'FFF') if fluence.get('FluenceMode') == 'NON_STANDARD' else ''
    is_fff = mode.upper() == 'FFF'
    warnings = ()
    if meterset is None:
        warnings = (f'beam {number}: the plan gives no monitor units; cumulative_mu holds weights up to 1',)
    return Beam(
        name=safe_name(beam.get('BeamName', ''), f'beam {number}'),
        machine=safe_name(beam.get('TreatmentMachineName', ''), ''),
        number=number, fluence_mode='' if is_fff else mode, energy_mv=now['energy'] if now['energy'] is not None else float('nan'),
        is_fff=is_fff,
        sad_mm=float(beam.get('SourceAxisDistance') or 1000.0), isocentre_mm=now['isocentre'],
        mu=meterset if meterset is not None else 0.0, beam_dose_gy=beam_dose,
        gantry_deg=np.array([r[0] for r in rows]), collimator_deg=np.array([r[1] for r in rows]),
        couch_deg=np.array([r[2] for r in rows]), jaws_mm=np.array([r[3] for r in rows]),
        cumulative_mu=weights / final * (meterset if meterset is not None else 1.0), gantry_turns=[r[5] for r in rows],
        leaves_mm=np.array([r[4] for r in rows]) if mlc is not None else None,
        leaf_boundaries_mm=_boundaries(mlc) if mlc is not None else None,
        leaf_axis=str(mlc.RTBeamLimitingDeviceType)[-1].lower() if mlc is not None else '', warnings=warnings)


def _prescribed(d):
    """Dose and target; of two volumes with a dose each, the one with more is a boost within the other."""
    targets = [r for r in d.get('DoseReferenceSequence') or [] if r.get('TargetPrescriptionDose') is not None]
    volumes = {int(r.ReferencedROINumber): r for r in targets
               if r.get('ReferencedROINumber') is not None and r.get('DoseReferenceDescription')}
    if len(targets) == len(volumes) == 2:
        low, high = sorted(volumes.values(), key=lambda r: float(r.TargetPrescriptionDose))
        if low.TargetPrescriptionDose < high.TargetPrescriptionDose:
            return {'dose_gy': float(low.TargetPrescriptionDose), 'target': str(low.DoseReferenceDescription),
                    'boost': str(high.DoseReferenceDescription), 'boost_gy': float(high.TargetPrescriptionDose)}
    return {'dose_gy': max(float(r.TargetPrescriptionDose) for r in targets)} if targets else {}


def read_plan(d, group_number=None, numbers=None):
    """Returns (beams, prescription, patient position, beams left out) of one fraction group; numbers: of the beams wanted,
    or None for all."""
    groups = list(d.get('FractionGroupSequence') or [])
    chosen = [g for g in groups if group_number in (None, int(g.FractionGroupNumber))]
    if groups and len(chosen) != 1:
        raise BadInput(f'{d.filename} has {len(groups)} fraction groups '
                       f'({", ".join(str(g.FractionGroupNumber) for g in groups)}); choose one with --group')
    metersets, doses = {}, {}
    for g in chosen:
        for r in g.get('ReferencedBeamSequence') or []:
            if r.get('BeamMeterset') is not None:
                metersets[int(r.ReferencedBeamNumber)] = float(r.BeamMeterset)
            if r.get('BeamDose') is not None:
                doses[int(r.ReferencedBeamNumber)] = float(r.BeamDose)
    beams, left_out = [], []
    for b in d.get('BeamSequence') or []:
        number, delivery = int(b.BeamNumber), str(b.get('TreatmentDeliveryType') or 'TREATMENT')
        if delivery not in ('TREATMENT', 'CONTINUATION') or (metersets and number not in metersets):
            left_out.append(f'{number} ({delivery.lower()}): not a treatment beam of this fraction group')
            continue
        if numbers is not None and number not in numbers:
            left_out.append(f'{number}: not asked for')
            continue
        unit = str(b.get('PrimaryDosimeterUnit') or 'MU')
        if unit != 'MU':
            raise BadInput(f'beam {number} is metered in {unit}, expected MU')
        beams.append(_read_beam(b, metersets.get(number), doses.get(number, float('nan'))))
    missing = sorted(set(numbers or ()) - {b.number for b in beams})
    if missing:
        raise BadInput(f'{d.filename} has no treatment beam {", ".join(map(str, missing))}')
    if not beams:
        raise BadInput(f'{d.filename} has no treatment beam')
    prescription = {}
    if chosen and chosen[0].get('NumberOfFractionsPlanned'):
        prescription['fractions'] = int(chosen[0].NumberOfFractionsPlanned)
    prescription |= _prescribed(d)
    setup = next(iter(d.get('PatientSetupSequence') or []), {})
    return beams, prescription, str(setup.get('PatientPosition') or ''), left_out
