"""A small CT series and RTSTRUCT made with pydicom: unequal dimensions and spacings, an origin off zero, an asymmetric
picture, so that swapped axes and half voxels cannot hide."""
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

NX, NY, NZ = 12, 9, 7
DX, DY, DZ = 1.5, 2.0, 3.0
X0, Y0, Z0 = -31.0, 12.5, 104.0
SLOPE, INTERCEPT = 2.0, -1000.0


def picture():
    """HU [z][y][x]: every voxel another value."""
    k, j, i = np.meshgrid(np.arange(NZ), np.arange(NY), np.arange(NX), indexing='ij')
    return (-900 + 2 * (i + 20 * j + 130 * k)).astype(np.int16)


def _file(path, modality, sop_class):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    d = FileDataset(str(path), {}, file_meta=meta, preamble=b'\0' * 128)
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = sop_class, meta.MediaStorageSOPInstanceUID, modality
    d.PatientName, d.PatientID, d.StudyInstanceUID = 'Phantom', 'P1', '1.2.3'
    return d


def write_slice(path, k, hu, series='1.2.3.4', orientation=(1, 0, 0, 0, 1, 0), position=None, **tags):
    d = _file(path, 'CT', CTImageStorage)
    d.SeriesInstanceUID, d.FrameOfReferenceUID, d.SeriesNumber = series, '1.2.9', 5
    d.Rows, d.Columns = hu.shape
    d.PixelSpacing, d.SliceThickness = [DY, DX], DZ
    d.ImageOrientationPatient = list(orientation)
    d.ImagePositionPatient = list(position or (X0, Y0, Z0 + DZ * k))
    d.PatientPosition, d.SamplesPerPixel, d.PhotometricInterpretation = 'HFS', 1, 'MONOCHROME2'
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
    d.RescaleSlope, d.RescaleIntercept = SLOPE, INTERCEPT
    d.PixelData = np.rint((hu - INTERCEPT) / SLOPE).astype('<i2').tobytes()
    for tag, value in tags.items():
        setattr(d, tag, value)
    d.save_as(path, enforce_file_format=True)


def write_series(folder, hu=None, **options):
    """File names run against the slices' order."""
    hu = picture() if hu is None else hu
    for k in range(len(hu)):
        write_slice(folder / f'IM{len(hu) - k:03d}', k, hu[k], **options)


def rectangle(x0, x1, y0, y1, z):
    return [v for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)) for v in (x, y, z)]


def write_structures(path, structures, series='1.2.3.4'):
    """structures: (name, interpreted type, [contour, ...]) with contours as flat lists of x, y, z."""
    d = _file(path, 'RTSTRUCT', RTStructureSetStorage)
    d.StructureSetLabel, d.SeriesInstanceUID = path.stem, '1.2.5'
    image_series, study, frame = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    image_series.SeriesInstanceUID = series
    study.RTReferencedSeriesSequence = Sequence([image_series])
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = '1.2.9', Sequence([study])
    d.ReferencedFrameOfReferenceSequence = Sequence([frame])
    rois, contours, observations = [], [], []
    for number, (name, interpreted, lines) in enumerate(structures, 1):
        roi, drawn, observed = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, '1.2.9'
        observed.ReferencedROINumber, observed.RTROIInterpretedType = number, interpreted
        observed.ObservationNumber = number
        drawn.ReferencedROINumber, drawn.ROIDisplayColor = number, [10 * number, 20, 30]
        items = []
        for line in lines:
            item = pydicom.Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = 'CLOSED_PLANAR', len(line) // 3
            item.ContourData = [f'{v:.2f}' for v in line]
            items.append(item)
        if items:
            drawn.ContourSequence = Sequence(items)
            contours.append(drawn)
        rois.append(roi)
        observations.append(observed)
    d.StructureSetROISequence, d.ROIContourSequence = Sequence(rois), Sequence(contours)
    d.RTROIObservationsSequence = Sequence(observations)
    d.save_as(path, enforce_file_format=True)
