"""Images for other programs: MetaImage (.mha) and NRRD (.nrrd), both readable by 3D Slicer, ITK and plastimatch.

Arrays are [z][y][x]; spacing and origin (centre of the first voxel) are x, y, z in mm, DICOM patient axes (LPS), which is
what both formats are told. Formats: https://itk.org/Wiki/MetaIO/Documentation, https://teem.sourceforge.net/nrrd/format.html.
"""
import gzip
import pathlib
import re
import zlib

import numpy as np

from atomic_write import whole_file
from case_file import BadInput

_MET = {'int8': 'MET_CHAR', 'uint8': 'MET_UCHAR', 'int16': 'MET_SHORT', 'uint16': 'MET_USHORT', 'int32': 'MET_INT',
        'uint32': 'MET_UINT', 'float32': 'MET_FLOAT', 'float64': 'MET_DOUBLE'}
_NRRD = {'int8': 'int8', 'uint8': 'uint8', 'int16': 'int16', 'uint16': 'uint16', 'int32': 'int32', 'uint32': 'uint32',
         'float32': 'float', 'float64': 'double'}


def _numbers(values):
    return ' '.join(repr(float(v)) for v in values)


def write_mha(path, array, spacing_mm, origin_mm):
    array = np.ascontiguousarray(array, array.dtype.newbyteorder('<'))
    packed = zlib.compress(array.tobytes(), 4)
    header = ('ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n'
              f'CompressedDataSize = {len(packed)}\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = {_numbers(origin_mm)}\n'
              f'CenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\nElementSpacing = {_numbers(spacing_mm)}\n'
              f'DimSize = {array.shape[2]} {array.shape[1]} {array.shape[0]}\n'
              f'ElementType = {_MET[array.dtype.name]}\nElementDataFile = LOCAL\n')
    with whole_file(path) as f:
        f.write(header.encode('ascii') + packed)


def write_nrrd(path, array, spacing_mm, origin_mm, about=''):
    array = np.ascontiguousarray(array, array.dtype.newbyteorder('<'))
    sx, sy, sz = (repr(float(v)) for v in spacing_mm)
    origin = ','.join(repr(float(v)) for v in origin_mm)
    about = ''.join(f'# {line}\n' for line in about.splitlines())
    header = (f'NRRD0004\n{about}type: {_NRRD[array.dtype.name]}\ndimension: 3\n'
              f'space: left-posterior-superior\nsizes: {array.shape[2]} {array.shape[1]} {array.shape[0]}\n'
              f'space directions: ({sx},0,0) (0,{sy},0) (0,0,{sz})\nkinds: domain domain domain\nendian: little\n'
              f'encoding: gzip\nspace origin: ({origin})\n\n')
    with whole_file(path) as f:
        f.write(header.encode('utf-8') + gzip.compress(array.tobytes(), 4, mtime=0))


def _header(data, end, separator, path):
    """The lines before `end` as a dictionary, and what follows."""
    head, found, rest = data.partition(end)
    if not found:
        raise BadInput(f'{path} has no end of its header')
    fields = {}
    for line in head.decode('utf-8', 'replace').splitlines():
        key, found, value = line.partition(separator)
        if found:
            fields[key.strip()] = value.strip()
    return fields, rest


def read_image(path):
    """Returns array [z][y][x], spacing_mm, origin_mm of an .mha or .nrrd whose data lie in the same file along x, y, z."""
    path = pathlib.Path(path)
    data = path.read_bytes()
    if data.startswith(b'NRRD'):
        fields, rest = _header(data, b'\n\n', ':', path)
        sizes = [int(v) for v in fields['sizes'].split()]
        rows = re.findall(r'\(([^)]*)\)', fields.get('space directions', ''))
        directions = np.array([[float(v) for v in row.split(',')] for row in rows])
        origin = np.array([float(v) for v in fields['space origin'].strip('()').split(',')])
        kind = {v: k for k, v in _NRRD.items()}.get(fields['type'])
        if fields.get('space') != 'left-posterior-superior' or 'data file' in fields:
            raise BadInput(f'{path}: expected space left-posterior-superior and the data in the same file')
        raw = gzip.decompress(rest) if fields['encoding'] in ('gzip', 'gz') else rest
        swap = fields.get('endian') == 'big'
    else:
        fields, rest = _header(data, b'ElementDataFile = LOCAL\n', '=', path)
        sizes = [int(v) for v in fields['DimSize'].split()]
        directions = np.diag([float(v) for v in fields['ElementSpacing'].split()])
        turn = np.array([float(v) for v in fields.get('TransformMatrix', '1 0 0 0 1 0 0 0 1').split()]).reshape(3, 3)
        directions = turn.T @ directions
        origin = np.array([float(v) for v in (fields.get('Offset') or fields['Position']).split()])
        kind = {v: k for k, v in _MET.items()}.get(fields['ElementType'])
        raw = zlib.decompress(rest) if fields.get('CompressedData', 'False') == 'True' else rest
        swap = fields.get('BinaryDataByteOrderMSB', 'False') == 'True'
    if len(sizes) != 3 or directions.shape != (3, 3) or kind is None:
        raise BadInput(f'{path}: expected an image of three dimensions and plain numbers')
    if np.abs(directions - np.diag(np.diag(directions))).max() > 1e-4 or (np.diag(directions) <= 0).any():
        raise BadInput(f'{path}: its axes do not run along the patient axes')
    array = np.frombuffer(raw, np.dtype(kind).newbyteorder('>' if swap else '<'), count=int(np.prod(sizes)))
    return array.reshape(sizes[::-1]).astype(kind), np.diag(directions).copy(), origin
