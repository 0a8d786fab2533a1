"""DICOM objects of one course of treatment, all in one study and one frame of reference: CT, RTSTRUCT, RTPLAN, RTDOSE."""
import datetime
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (CTImageStorage, ExplicitVRLittleEndian, RTDoseStorage, RTPlanStorage, RTStructureSetStorage,
                         generate_uid)

from case_file import BadInput
from shipped_machines import shipped_machines

PROGRAM, VERSION = 'spineplan', '0.1.0'
IMPLEMENTATION_UID = '2.25.301203671926312466123517423016417325897'  # of a random UUID
ROLE_TYPES = {'external': 'EXTERNAL', 'gtv': 'GTV', 'ctv': 'CTV', 'ptv': 'PTV', 'cord': 'ORGAN', 'prv': 'AVOIDANCE',
              'organ': 'ORGAN', 'hardware': '', 'support': 'SUPPORT'}
COLOURS = {'external': (0, 160, 0), 'gtv': (255, 90, 60), 'ctv': (255, 160, 60), 'ptv': (230, 40, 60), 'cord': (0, 200, 255)}


def new_uid():
    return generate_uid(prefix=None)


def ds(value):
    """A decimal string of at most 16 characters, as exact as that allows."""
    value = float(value)
    for digits in range(16, 3, -1):
        s = f'{value:.{digits}g}'
        if len(s) <= 16:
            return '0' if float(s) == 0 else s
    raise BadInput(f'{value} does not fit a DICOM decimal string')


def ds_list(values, digits=None):
    values = np.ravel(values)
    return [ds(v if digits is None else round(float(v), digits)) for v in values]


def lo(value, most=64):
    """A text of at most `most` characters without what DICOM forbids in it (backslash, control characters)."""
    return ''.join(c if c.isprintable() and c != '\\' else '_' for c in str(value))[:most].strip()


@dataclass
class Study:
    """What all objects share."""
    patient: dict                       # PatientName, PatientID, PatientBirthDate, PatientSex
    study_uid: str = field(default_factory=new_uid)
    frame_uid: str = field(default_factory=new_uid)
    ct_series_uid: str = field(default_factory=new_uid)
    ct_uids: list = None                # of each slice, by ascending z
    ct_z_mm: np.ndarray = None
    study_facts: dict = field(default_factory=dict)  # StudyDate ... of the CT
    anonymous: bool = False
    position_indicator: str = ''
    when: datetime.datetime = field(default_factory=datetime.datetime.now)


def _object(study, sop_class, modality, series_uid, instance_uid, series_number, description):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, instance_uid
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, IMPLEMENTATION_UID
    meta.ImplementationVersionName = f'{PROGRAM} {VERSION}'[:16]
    d = FileDataset('', {}, file_meta=meta, preamble=b'\0' * 128)
    d.SpecificCharacterSet = 'ISO_IR 192'
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = sop_class, instance_uid, modality
    for key in ('PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex'):
        setattr(d, key, study.patient.get(key, ''))
    if study.anonymous:
        d.PatientIdentityRemoved, d.DeidentificationMethod = 'YES', f'{PROGRAM}: new patient, dates and UIDs'
    d.StudyInstanceUID, d.SeriesInstanceUID, d.SeriesNumber = study.study_uid, series_uid, series_number
    for key in ('StudyDate', 'StudyTime', 'StudyID', 'AccessionNumber', 'ReferringPhysicianName'):
        setattr(d, key, study.study_facts.get(key, ''))
    d.SeriesDescription = description
    d.Manufacturer, d.ManufacturerModelName, d.SoftwareVersions = PROGRAM, PROGRAM, VERSION
    d.OperatorsName = ''
    return d


def _dated(d, study, prefix):
    setattr(d, f'{prefix}Date', '' if study.anonymous else study.when.strftime('%Y%m%d'))
    setattr(d, f'{prefix}Time', '' if study.anonymous else study.when.strftime('%H%M%S'))


def _item(**values):
    d = Dataset()
    for key, value in values.items():
        setattr(d, key, value)
    return d


def ct_objects(study, hu, spacing_mm, origin_mm, position):
    """One image a slice; HU are kept as they are (slope 1, intercept 0)."""
    nz, ny, nx = hu.shape
    out = []
    for k in range(nz):
        d = _object(study, CTImageStorage, 'CT', study.ct_series_uid, study.ct_uids[k], 1, 'CT as planned on')
        d.ImageType = ['DERIVED', 'SECONDARY', 'AXIAL']
        d.DerivationDescription = 'made by program, or rewritten from the planning CT'
        d.FrameOfReferenceUID, d.PositionReferenceIndicator = study.frame_uid, study.position_indicator
        d.PatientPosition, d.InstanceNumber, d.AcquisitionNumber = position, k + 1, ''
        _dated(d, study, 'Content')
        d.KVP, d.Laterality = '', ''
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, 'MONOCHROME2'
        d.Rows, d.Columns = ny, nx
        d.PixelSpacing = [ds(spacing_mm[1]), ds(spacing_mm[0])]
        d.SliceThickness = ds(spacing_mm[2])
        d.ImageOrientationPatient = ['1', '0', '0', '0', '1', '0']
        d.ImagePositionPatient = ds_list([origin_mm[0], origin_mm[1], study.ct_z_mm[k]])
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.RescaleIntercept, d.RescaleSlope, d.RescaleType = '0', '1', 'HU'
        d.WindowCenter, d.WindowWidth = '40', '400'
        d.PixelData = np.ascontiguousarray(hu[k], '<i2').tobytes()
        out.append(d)
    return out


def structure_object(study, structures, label):
    d = _object(study, RTStructureSetStorage, 'RTSTRUCT', new_uid(), new_uid(), 2, 'Structures')
    d.StructureSetLabel = lo(label, 16)
    _dated(d, study, 'StructureSet')
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = study.frame_uid, study.position_indicator
    series = _item(SeriesInstanceUID=study.ct_series_uid, ContourImageSequence=Sequence(
        [_item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=u) for u in study.ct_uids]))
    referenced = _item(ReferencedSOPClassUID='1.2.840.10008.3.1.2.3.1', ReferencedSOPInstanceUID=study.study_uid,
                       RTReferencedSeriesSequence=Sequence([series]))
    d.ReferencedFrameOfReferenceSequence = Sequence([
        _item(FrameOfReferenceUID=study.frame_uid, RTReferencedStudySequence=Sequence([referenced]))])
    rois, contours, observations = [], [], []
    gap = np.median(np.diff(study.ct_z_mm)) if len(study.ct_z_mm) > 1 else 1.0
    for number, s in enumerate(structures, 1):
        rois.append(_item(ROINumber=number, ReferencedFrameOfReferenceUID=study.frame_uid, ROIName=lo(s.name),
                          ROIGenerationAlgorithm=''))
        observed = _item(ObservationNumber=number, ReferencedROINumber=number, ROIObservationLabel=f'role:{s.role}',
                         RTROIInterpretedType=ROLE_TYPES.get(s.role, ''), ROIInterpreter='')
        if s.density_g_cm3:
            observed.ROIPhysicalPropertiesSequence = Sequence([
                _item(ROIPhysicalProperty='REL_MASS_DENSITY', ROIPhysicalPropertyValue=ds(s.density_g_cm3))])
        observations.append(observed)
        drawn = _item(ReferencedROINumber=number)
        drawn.ROIDisplayColor = list(s.colour or COLOURS.get(s.role, (255, 255, 0)))
        lines = []
        for i, polygon in enumerate(s.polygons, 1):
            nearest = int(np.argmin(np.abs(study.ct_z_mm - polygon[0, 2])))
            line = _item(ContourNumber=i, ContourGeometricType='CLOSED_PLANAR', NumberOfContourPoints=len(polygon),
                         ContourData=ds_list(polygon, 3))
            if abs(study.ct_z_mm[nearest] - polygon[0, 2]) < 0.1 * gap:
                line.ContourImageSequence = Sequence([
                    _item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=study.ct_uids[nearest])])
            lines.append(line)
        if lines:
            drawn.ContourSequence = Sequence(lines)
        contours.append(drawn)
    d.StructureSetROISequence, d.ROIContourSequence = Sequence(rois), Sequence(contours)
    d.RTROIObservationsSequence = Sequence(observations)
    d.ApprovalStatus = 'UNAPPROVED'
    return d


TURNS = {1: 'CW', -1: 'CC', 0: 'NONE'}


def gantry_turns(beam):
    """As the plan says, else the shorter way."""
    gantry = beam.arrays['gantry_deg']
    if 'gantry_turn' in beam.arrays:
        return [TURNS[int(np.sign(t))] for t in beam.arrays['gantry_turn']]
    step = (np.diff(gantry) + 180.0) % 360.0 - 180.0
    return [TURNS[int(np.sign(round(s, 6)))] for s in step] + ['NONE']


def _positions(beam, k):
    a, out = beam.arrays, []
    jaws = a['jaws_mm'][k]
    out.append(_item(RTBeamLimitingDeviceType='ASYMX', LeafJawPositions=ds_list(jaws[:2])))
    out.append(_item(RTBeamLimitingDeviceType='ASYMY', LeafJawPositions=ds_list(jaws[2:])))
    if 'leaves_mm' in a:
        out.append(_item(RTBeamLimitingDeviceType='MLC' + beam.attributes.get('leaf_axis', 'x').upper(),
                         LeafJawPositions=ds_list(a['leaves_mm'][k])))
    return out


def _quality(beam):
    """Nominal energy, MV, and whether there is a flattening filter; older plan files name the machine only."""
    energy = float(beam.attributes.get('energy_mv', np.nan))
    if energy > 0:
        return energy, bool(int(beam.attributes.get('flattening_filter', 1)))
    if beam.machine not in shipped_machines():
        raise BadInput(f'beam "{beam.name}" does not tell its energy, and its machine {beam.machine} is none of ours: an RTPLAN '
                       'needs the attribute energy_mv')
    return shipped_machines()[beam.machine]


def _control_points(beam, isocentre_mm):
    a, n = beam.arrays, len(beam.arrays['cumulative_mu'])
    total = a['cumulative_mu'][-1]
    weights = a['cumulative_mu'] / total if total > 0 else np.linspace(0, 1, n)
    turns = gantry_turns(beam)
    angles = {'GantryAngle': a['gantry_deg'], 'BeamLimitingDeviceAngle': a.get('collimator_deg', np.zeros(n)),
              'PatientSupportAngle': a.get('couch_deg', np.zeros(n))}
    points = []
    for k in range(n):
        p = _item(ControlPointIndex=k, CumulativeMetersetWeight=ds(round(weights[k], 10)))
        if k == 0:
            p.NominalBeamEnergy = ds(_quality(beam)[0])
        for tag, values in angles.items():
            if k == 0 or values[k] != values[k - 1] or (tag == 'GantryAngle' and turns[k] != turns[k - 1]):
                setattr(p, tag, ds(round(values[k] % 360.0, 6)))
                way = turns[k] if tag == 'GantryAngle' else 'NONE'
                direction = {'GantryAngle': 'GantryRotationDirection', 'PatientSupportAngle': 'PatientSupportRotationDirection',
                             'BeamLimitingDeviceAngle': 'BeamLimitingDeviceRotationDirection'}[tag]
                setattr(p, direction, way if k + 1 < n else 'NONE')
        here = _positions(beam, k)
        if k > 0:
            before = _positions(beam, k - 1)
            here = [h for h, b in zip(here, before) if h.LeafJawPositions != b.LeafJawPositions]
        if here:
            p.BeamLimitingDevicePositionSequence = Sequence(here)
        if k == 0:
            p.TableTopEccentricAngle, p.TableTopEccentricRotationDirection = '0', 'NONE'
            p.TableTopVerticalPosition = p.TableTopLongitudinalPosition = p.TableTopLateralPosition = ''
            p.IsocenterPosition = ds_list(isocentre_mm, 4)
            p.TableTopPitchAngle, p.TableTopPitchRotationDirection = 0.0, 'NONE'
            p.TableTopRollAngle, p.TableTopRollRotationDirection = 0.0, 'NONE'
        points.append(p)
    return points


def _beam_item(beam, number):
    a, attributes = beam.arrays, beam.attributes
    moving = any(np.ptp(a[name], axis=0).max() > 1e-6 for name in ('jaws_mm', 'leaves_mm', 'gantry_deg', 'collimator_deg',
                                                                   'couch_deg') if name in a)
    devices = [_item(RTBeamLimitingDeviceType='ASYMX', NumberOfLeafJawPairs=1),
               _item(RTBeamLimitingDeviceType='ASYMY', NumberOfLeafJawPairs=1)]
    if 'leaves_mm' in a:
        if 'leaf_boundaries_mm' not in a or len(a['leaf_boundaries_mm']) != a['leaves_mm'].shape[2] + 1:
            raise BadInput(f'beam {number} has leaves but not leaf_boundaries_mm, one more than pairs of leaves')
        devices.append(_item(RTBeamLimitingDeviceType='MLC' + attributes.get('leaf_axis', 'x').upper(),
                             NumberOfLeafJawPairs=a['leaves_mm'].shape[2],
                             LeafPositionBoundaries=ds_list(a['leaf_boundaries_mm'])))
    b = _item(BeamNumber=number, BeamName=lo(beam.name), BeamType='DYNAMIC' if moving else 'STATIC', RadiationType='PHOTON',
              TreatmentMachineName=lo(_text(attributes.get('imported_machine')) or beam.machine, 16),
              PrimaryDosimeterUnit='MU', SourceAxisDistance=ds(attributes.get('sad_mm', 1000.0)),
              TreatmentDeliveryType='TREATMENT', NumberOfWedges=0, NumberOfCompensators=0, NumberOfBoli=0, NumberOfBlocks=0,
              BeamLimitingDeviceSequence=Sequence(devices), ReferencedPatientSetupNumber=1, Manufacturer='')
    b.FinalCumulativeMetersetWeight = '1'
    b.PrimaryFluenceModeSequence = Sequence([_item(FluenceMode='STANDARD')])
    mode = _text(attributes.get('fluence_mode')) or ('' if _quality(beam)[1] else 'FFF')
    if mode:
        b.PrimaryFluenceModeSequence = Sequence([_item(FluenceMode='NON_STANDARD', FluenceModeID=lo(mode, 16))])
    points = _control_points(beam, np.asarray(attributes['isocentre_mm'], float).ravel())
    b.NumberOfControlPoints, b.ControlPointSequence = len(points), Sequence(points)
    return b


def _text(value):
    return value.decode('utf-8', 'replace') if isinstance(value, bytes) else '' if value is None else str(value)


def _dose_reference(number, dose_gy, name, structures):
    reference = _item(DoseReferenceNumber=number, DoseReferenceUID=new_uid(), DoseReferenceType='TARGET',
                      TargetPrescriptionDose=ds(dose_gy))
    roi = next((i for i, s in enumerate(structures, 1) if s.name == name), None)
    reference.DoseReferenceStructureType = 'VOLUME' if roi else 'SITE'
    reference.DoseReferenceDescription = lo(name or 'prescription')
    if roi:
        reference.ReferencedROINumber = roi
    return reference


def plan_object(study, contents, structure_set, label):
    d = _object(study, RTPlanStorage, 'RTPLAN', new_uid(), new_uid(), 3, 'Plan')
    d.RTPlanLabel = lo(label, 16)
    _dated(d, study, 'RTPlan')
    d.PlanIntent, d.RTPlanGeometry, d.ApprovalStatus = 'RESEARCH', 'PATIENT', 'UNAPPROVED'
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = study.frame_uid, study.position_indicator
    if not contents.beams:
        gantry = ', '.join(f'{g:g}' for g in contents.fluence_gantry_deg)
        d.RTPlanDescription = lo('Fluence plan: no apertures, no monitor units, NOT DELIVERABLE. Gantry ' + gantry, 1024)
    prescription, fractions = contents.prescription, int(contents.prescription.get('fractions') or 1)
    wanted = [(prescription.get(dose), prescription.get(name)) for dose, name in (('dose_gy', 'target'), ('boost_gy', 'boost'))]
    references = [_dose_reference(number, dose, name, contents.structures)
                  for number, (dose, name) in enumerate(wanted, 1) if dose]
    if references:
        d.DoseReferenceSequence = Sequence(references)
    group = _item(FractionGroupNumber=1, NumberOfFractionsPlanned=fractions, NumberOfBeams=len(contents.beams),
                  NumberOfBrachyApplicationSetups=0)
    if contents.beams:
        metersets = []
        for number, beam in enumerate(contents.beams, 1):
            r = _item(ReferencedBeamNumber=number, BeamMeterset=ds(beam.arrays['cumulative_mu'][-1]))
            if 'beam_dose_gy' in beam.attributes:
                r.BeamDose = ds(beam.attributes['beam_dose_gy'])
            metersets.append(r)
        group.ReferencedBeamSequence = Sequence(metersets)
    d.FractionGroupSequence = Sequence([group])
    d.PatientSetupSequence = Sequence([_item(PatientSetupNumber=1, PatientPosition=contents.patient_position)])
    if contents.beams:
        d.BeamSequence = Sequence([_beam_item(b, i) for i, b in enumerate(contents.beams, 1)])
    d.ReferencedStructureSetSequence = Sequence([
        _item(ReferencedSOPClassUID=RTStructureSetStorage, ReferencedSOPInstanceUID=structure_set.SOPInstanceUID)])
    return d


def dose_object(study, contents, plan, structure_set):
    """The dose of the whole course, with the plan's DVHs. 16 bits a voxel: every reader takes them, and rounding is below
    8e-6 of the greatest dose."""
    d = _object(study, RTDoseStorage, 'RTDOSE', new_uid(), new_uid(), 4, 'Dose')
    nz, ny, nx = contents.dose_gy.shape
    d.InstanceNumber = 1
    _dated(d, study, 'Content')
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = study.frame_uid, study.position_indicator
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, 'MONOCHROME2'
    d.NumberOfFrames, d.Rows, d.Columns = nz, ny, nx
    d.FrameIncrementPointer = 0x3004000C
    d.PixelSpacing = [ds(contents.dose_spacing_mm[1]), ds(contents.dose_spacing_mm[0])]
    d.SliceThickness = ds(contents.dose_spacing_mm[2])
    d.ImageOrientationPatient = ['1', '0', '0', '0', '1', '0']
    d.ImagePositionPatient = ds_list(contents.dose_origin_mm)
    d.GridFrameOffsetVector = ds_list(np.arange(nz) * contents.dose_spacing_mm[2], 6)
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
    top = float(contents.dose_gy.max())
    scaling = ds(top / (65535) if top > 0 else 1.0)
    d.DoseUnits, d.DoseType, d.DoseSummationType, d.DoseGridScaling = 'GY', 'PHYSICAL', 'PLAN', scaling
    d.TissueHeterogeneityCorrection = ['IMAGE']
    d.ReferencedRTPlanSequence = Sequence([
        _item(ReferencedSOPClassUID=RTPlanStorage, ReferencedSOPInstanceUID=plan.SOPInstanceUID)])
    d.ReferencedStructureSetSequence = Sequence([
        _item(ReferencedSOPClassUID=RTStructureSetStorage, ReferencedSOPInstanceUID=structure_set.SOPInstanceUID)])
    items = []
    for number, s in enumerate(contents.structures, 1):
        if s.name not in contents.dvh or len(contents.dvh[s.name][0]) < 2:
            continue
        dose, volume = contents.dvh[s.name]
        width = dose[1] - dose[0]
        if not (width > 0 and volume[0] > 0 and np.abs(np.diff(dose) - width).max() < 1e-3 * width + 1e-6):
            continue
        # pairs of bin width and volume; a cumulative volume is the one at its bin's low edge
        data = np.column_stack([np.full(len(dose), width), volume])
        item = _item(DVHType='CUMULATIVE', DoseUnits='GY', DoseType='PHYSICAL', DVHDoseScaling='1', DVHVolumeUnits='CM3',
                     DVHNumberOfBins=len(dose), DVHData=[s16 for pair in data for s16 in (f'{pair[0]:.9g}', f'{pair[1]:.7g}')],
                     DVHMaximumDose=ds(f'{dose[-1]:.6g}'))
        shares = -np.diff(volume, append=0.0) / volume[0]
        item.DVHMeanDose = ds(f'{np.sum(shares * np.minimum(dose + width / 2, dose[-1])):.6g}')
        item.DVHMinimumDose = ds(f'{dose[np.flatnonzero(volume >= volume[0] * (1 - 1e-6))[-1]]:.6g}')
        item.DVHReferencedROISequence = Sequence([_item(ReferencedROINumber=number, DVHROIContributionType='INCLUDED')])
        items.append(item)
    if items:
        d.DVHSequence = Sequence(items)
    d.PixelData = np.rint(contents.dose_gy / float(scaling)).clip(0, 65535).astype('<u2').tobytes()
    return d
