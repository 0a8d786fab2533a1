"""What all DICOM readers here have in common: finding the files of a folder, names that are safe, directions."""
import pathlib
import struct
from dataclasses import dataclass, field

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

from case_file import BadInput

MOST_NAME_BYTES = 200  # of a structure, as docs/case-format.md allows


# What pydicom and conversions of its values raise where a file is damaged or lacks what its kind must have.
DAMAGE = (AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OverflowError, RecursionError, TypeError,
          ValueError, struct.error, BytesLengthException)


def damage(path, error):
    """The sentence for one of DAMAGE."""
    return f'{path} is damaged or lacks what it must have: {" ".join(str(error).split())[:200]} ({type(error).__name__})'


def read_dicom(path, pixels=True):
    """A dataset, or None where the file is no DICOM. Some programs leave out the preamble: those are read as well."""
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except OSError:
        return None
    except InvalidDicomError:
        pass
    except DAMAGE as e:
        raise BadInput(damage(path, e)) from None
    try:
        d = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
        return d if 'SOPClassUID' in d and 'Modality' in d else None
    except Exception:  # random bytes read as DICOM fail in many ways
        return None


def read_one(path, modality):
    path = pathlib.Path(path)
    if not path.is_file():
        raise BadInput(f'{path} is no file')
    d = read_dicom(path)
    if d is None:
        raise BadInput(f'{path} is no DICOM file')
    if d.get('Modality') != modality:
        raise BadInput(f'{path} is no {modality} (its modality is {d.get("Modality", "not given")})')
    return d


def safe_name(text, otherwise):
    """A name that HDF5, a terminal and a file system take as a name: no slashes, no control characters, not '.'."""
    name = ''.join(c if c.isprintable() and c != '/' else '_' for c in str(text)).strip()
    while len(name.encode('utf-8', 'replace')) > MOST_NAME_BYTES:
        name = name[:-1]
    return otherwise if name.strip('._ ') == '' else name.encode('utf-8', 'replace').decode()


@dataclass
class Folder:
    """All DICOM objects under a folder, by kind; headers only."""
    series: dict = field(default_factory=dict)            # series UID -> CT headers, with .filename
    structure_sets: list = field(default_factory=list)
    plans: list = field(default_factory=list)
    doses: list = field(default_factory=list)
    localizers: int = 0
    no_position: list = field(default_factory=list)       # CT images that say not where they lie
    others: dict = field(default_factory=dict)            # modality -> how many
    no_dicom: int = 0

    def tell(self, say):
        images = sum(len(h) for h in self.series.values())
        parts = [f'{images} CT images in {len(self.series)} series', f'{len(self.structure_sets)} RTSTRUCT',
                 f'{len(self.plans)} RTPLAN', f'{len(self.doses)} RTDOSE']
        say('found ' + ', '.join(p for p in parts if not p.startswith('0 ')))
        ignored = [f'{n} {m}' for m, n in sorted(self.others.items())]
        ignored += [f'{self.localizers} localizers'] * bool(self.localizers)
        ignored += [f'{self.no_dicom} files that are no DICOM'] * bool(self.no_dicom)
        if ignored:
            say('ignored ' + ', '.join(ignored))


def scan_folder(folder):
    """Files in any order and in subfolders; links to other folders are not followed."""
    if not folder.is_dir():
        raise BadInput(f'{folder} is no folder')
    found = Folder()
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        d = read_dicom(path, pixels=False)
        if d is None:
            found.no_dicom += 1
            continue
        modality = str(d.get('Modality', 'unknown'))
        if modality == 'CT' and 'LOCALIZER' in d.get('ImageType', []):
            found.localizers += 1
        elif modality == 'CT' and not d.get('ImagePositionPatient'):
            found.no_position.append(d)
        elif modality == 'CT':
            found.series.setdefault(str(d.get('SeriesInstanceUID', '')), []).append(d)
        elif modality in ('RTSTRUCT', 'RTPLAN', 'RTDOSE'):
            {'RTSTRUCT': found.structure_sets, 'RTPLAN': found.plans, 'RTDOSE': found.doses}[modality].append(d)
        else:
            found.others[modality] = found.others.get(modality, 0) + 1
    return found


def axial_signs(d):
    """Which way rows and columns run along x and y; refuses planes that are not axial."""
    what = getattr(d, 'filename', 'image')
    cosines = np.array([float(v) for v in d.get('ImageOrientationPatient') or []])
    if len(cosines) != 6:
        raise BadInput(f'{what} has no ImageOrientationPatient: it does not say how it lies in the patient')
    if np.abs(np.abs(cosines) - [1, 0, 0, 0, 1, 0]).max() > 1e-3:
        tilt = np.degrees(np.arccos(min(1.0, abs(np.cross(cosines[:3], cosines[3:])[2]))))
        raise BadInput(f'{what}: images are not axial (plane tilted by {tilt:.1f} degrees, or turned); '
                       'resample the series to axial slices first')
    return np.sign(cosines[0]), np.sign(cosines[4])
