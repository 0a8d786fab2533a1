"""HDF5 files made to do harm: what they claim is refused with a sentence, and before it has taken memory or time."""
import os
import pathlib
import subprocess
import zlib

import h5py
import numpy as np
import pytest

from case_file import BadInput
from own_objects import check_own, open_file
from small_case import write_small_case

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
SANITIZED = not (pathlib.Path(SPINEPLAN).resolve().parent / 'tests' / 'libfaults.so').exists()
# of the program and the process that reads for it; a small case takes 40 MB
MOST_KB = 400 * 1024


@pytest.fixture
def case(tmp_path):
    write_small_case(tmp_path / 'case.h5')
    return tmp_path / 'case.h5'


def check(path):
    """Exit status and stderr of `spineplan check`, and the most memory that one of its processes took, KB."""
    with subprocess.Popen([SPINEPLAN, 'check', str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, said, used.ru_maxrss


def refused(path, words):
    status, said, memory_kb = check(path)
    assert status == 2 and words in said, (status, said)
    assert len(said.splitlines()) == 1
    assert SANITIZED or memory_kb < MOST_KB, f'{memory_kb} KB'


def zeros_that_inflate_to(gigabytes):
    """A deflate stream without its end: a block of zeros that stands by itself, again and again."""
    packer = zlib.compressobj(9)
    start = packer.compress(b'') + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + 16 * gigabytes * block


@pytest.mark.parametrize('claimed_mb', [1, 100])
def test_a_chunk_that_inflates_without_end_is_refused(case, claimed_mb):
    with h5py.File(case, 'r+') as f:
        attributes = dict(f['ct/hu'].attrs)
        del f['ct/hu']
        shape = (claimed_mb, 512, 1024)
        hu = f.create_dataset('ct/hu', shape, 'i2', chunks=shape, compression='gzip')
        hu.attrs.update(attributes)
        hu.id.write_direct_chunk((0, 0, 0), zeros_that_inflate_to(8))
    status, said, memory_kb = check(case)
    assert status == 2 and '/ct/hu cannot be read' in said, (status, said)
    # the CT of so many voxels, in both processes, and the room of a chunk
    assert SANITIZED or memory_kb < MOST_KB + 5 * 1024 * claimed_mb, f'{memory_kb} KB'


def test_a_chunk_packed_twice_is_worth_no_more_than_its_file(case):
    with h5py.File(case, 'r+') as f:
        del f['ct/hu']
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((64, 512, 512))
        properties.set_deflate(9)
        properties.set_deflate(9)
        space = h5py.h5s.create_simple((2000, 2048, 2048))
        h5py.h5d.create(f.id, b'ct/hu', h5py.h5t.STD_I16LE, space, properties)
        packed = zlib.compress(zlib.compress(bytes(2 * 64 * 512 * 512), 9), 9)
        f['ct/hu'].id.write_direct_chunk((0, 0, 0), packed)
    refused(case, '/ct/hu claims 8388608000 elements, ')


@pytest.mark.parametrize('kind', [np.dtype([('a', 'i2'), ('b', 'f8')]), h5py.ref_dtype, h5py.vlen_dtype(np.int16), 'S200',
                                  h5py.opaque_dtype(np.dtype('datetime64[s]')), 'c16'])
def test_voxels_of_a_strange_type_are_refused(case, kind):
    with h5py.File(case, 'r+') as f:
        shape = f['ct/hu'].shape
        del f['ct/hu']
        f.create_dataset('ct/hu', shape, kind)
    refused(case, '/ct/hu does not hold numbers')


def test_a_text_of_gigabytes_is_refused(case):
    with h5py.File(case, 'r+') as f:
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        text = h5py.h5t.C_S1.copy()
        text.set_size(2_000_000_000)
        h5py.h5d.create(f.id, b'targets', text, space)
    refused(case, '/targets')


def test_a_virtual_dataset_is_refused(case, tmp_path):
    with h5py.File(tmp_path / 'other.h5', 'w') as other:
        other['hu'] = np.zeros((12, 14, 18), np.int16)
    with h5py.File(case, 'r+') as f:
        attributes = dict(f['ct/hu'].attrs)
        del f['ct/hu']
        layout = h5py.VirtualLayout((12, 14, 18), np.int16)
        layout[:] = h5py.VirtualSource(tmp_path / 'other.h5', 'hu', (12, 14, 18))
        f.create_virtual_dataset('ct/hu', layout).attrs.update(attributes)
    refused(case, '/ct/hu keeps its data in other files')


def test_groups_in_a_circle_come_to_an_end(case):
    with h5py.File(case, 'r+') as f:
        f['structures/loop'] = f['structures']
        f['structures/PTV/root'] = f['/']
    status, said, _ = check(case)
    assert status == 0, said
    with open_file(case) as f:
        check_own(f)
        assert 'loop' in f['structures/loop/loop']


def test_scripts_follow_no_link_that_lies_deep(case):
    with h5py.File(case, 'r+') as f:
        f['structures/PTV/elsewhere'] = h5py.ExternalLink('/etc/hostname', '/')
    with open_file(case) as f, pytest.raises(BadInput, match='is a link to elsewhere'):
        check_own(f)
