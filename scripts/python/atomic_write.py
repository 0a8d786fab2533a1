"""Files that appear whole or not at all: written beside their goal under another name, then renamed."""
import contextlib
import os
import pathlib
import tempfile


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def keep_inputs(goal, *sources):
    """Raises OSError where what is to be written would take the place of something that is read (None: not given)."""
    for source in sources:
        if source is not None and os.path.exists(goal) and os.path.exists(source) and os.path.samefile(goal, source):
            raise OSError(f'{source} is read from and would be written over; name another output')


def flush_folder(path):
    """So that a new name in it is there after a loss of power too; where the file system can do that for a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def whole_path(path):
    """A temporary name to write to; it takes path's place when the block ends without an exception. A link is followed;
    what is there and is no regular file (folder, device, pipe) is refused."""
    path = pathlib.Path(path)
    if path.is_symlink():
        if not path.exists():
            raise OSError(f'cannot write {path}: it is a link that leads to no file')
        path = path.resolve()
    if not path.parent.is_dir():
        raise OSError(f'cannot write {path}: {path.parent} is no folder')
    if path.is_dir():
        raise OSError(f'cannot write {path}: that is a folder')
    if path.exists() and not path.is_file():
        raise OSError(f'{path} is not a regular file; nothing is written over it')
    handle, temporary = tempfile.mkstemp(prefix='.' + path.name[:100] + '.', dir=path.parent)
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        with open(temporary, 'rb') as f:
            os.fsync(f.fileno())  # or the name might come to the disk before what it names
        os.replace(temporary, path)
        flush_folder(path.parent)
    except BaseException as e:
        with contextlib.suppress(FileNotFoundError):  # it may have its name already
            os.unlink(temporary)
        if isinstance(e, OSError) and (e.filename == temporary or e.filename is None) and e.errno:
            raise OSError(e.errno, os.strerror(e.errno), str(path)) from e  # not a name that nobody knows
        raise


@contextlib.contextmanager
def whole_file(path):
    with whole_path(path) as temporary, open(temporary, 'wb') as f:
        yield f


def save_figure(figure, path, dpi):
    """A figure of matplotlib in the format that the name ends with, PNG where it ends with none."""
    path = pathlib.Path(path)
    kind = path.suffix[1:].lower() or 'png'
    if kind not in figure.canvas.get_supported_filetypes():
        raise OSError(f'cannot write {path}: no picture is known that ends with .{kind}')
    with whole_path(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi)
