"""Reading HDF5 files from elsewhere: only what lies in the file itself. Soft and external links, external storage and
virtual datasets could make a script read other files of whoever runs it."""
import os

import h5py

from case_file import BadInput


def open_file(path):
    if not os.path.isfile(path):
        raise BadInput(f'{path} is no file')
    try:
        return h5py.File(path, 'r')
    except OSError as e:
        raise BadInput(f'{path} is no HDF5 file that can be read ({e})') from None


def own(f, path, required=True):
    """The object at path, by hard links only; None where it is missing and not required."""
    here = f
    for part in path.strip('/').split('/'):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            if required:
                raise BadInput(f'{f.filename} has no {path}')
            return None
        if not isinstance(link, h5py.HardLink):
            raise BadInput(f'{f.filename}:{path} is a link to elsewhere, which is not followed')
        here = here[part]
    if isinstance(here, h5py.Dataset) and (here.external or here.is_virtual):
        raise BadInput(f'{f.filename}:{path} keeps its data in other files, which are not read')
    return here


def check_own(f, path='/', seen=None):
    """Refuses a group that anywhere below holds what `own` refuses. Groups may hold each other in a circle."""
    seen = seen if seen is not None else set()
    group = f[path]
    place = h5py.h5o.get_info(group.id).addr
    if place in seen:
        return
    seen.add(place)
    for name in group:
        item = own(f, f'{path.rstrip("/")}/{name}')
        if isinstance(item, h5py.Group):
            check_own(f, f'{path.rstrip("/")}/{name}', seen)
