"""A case on larger voxels: CT numbers averaged by the share of each old voxel in a new one, contours of the slices that lie in
the middle of the new ones. For CTs that are finer than what planning needs, and to keep test data small.
"""
import numpy as np

from case_file import BadInput


def _shares(n, spacing_mm, new_mm):
    """Matrix [new][old]: the share of each old voxel in the new ones along an axis; new voxels begin at the old's edge and lie
    within them."""
    count = int(np.floor(n * spacing_mm / new_mm + 1e-6))
    if count < 1:
        raise BadInput(f'--coarsen-mm {new_mm:g}: the CT is only {n * spacing_mm:g} mm long there')
    new, old = np.arange(count)[:, None] * new_mm, np.arange(n)[None, :] * spacing_mm
    overlap = np.minimum(new + new_mm, old + spacing_mm) - np.maximum(new, old)
    return np.clip(overlap, 0, None) / new_mm


def coarsen(case, new_mm):
    """Voxels of new_mm in the plane and the nearest whole number of slices that makes new_mm; axes already coarser stay."""
    if not new_mm > 0:
        raise BadInput(f'--coarsen-mm {new_mm:g}: expected mm above 0')
    if any(s.mask is not None for s in case.structures):
        raise BadInput('--coarsen-mm: only for structures of contours')
    old_z = case.slice_positions_mm()
    stack = max(1, int(np.rint(new_mm / case.spacing_mm[2])))
    sizes = np.array([max(new_mm, case.spacing_mm[0]), max(new_mm, case.spacing_mm[1]), stack * case.spacing_mm[2]])
    x, y, z = (_shares(n, old, new) for n, old, new in zip(case.hu.shape[::-1], case.spacing_mm, sizes))
    hu = np.einsum('kz,zyx->kyx', z, case.hu.astype(float), optimize=True)
    hu = np.einsum('ly,kyx->klx', y, hu, optimize=True)
    case.hu = np.rint(np.einsum('mx,klx->klm', x, hu, optimize=True)).astype(np.int16)
    case.origin_mm = case.origin_mm + 0.5 * (sizes - case.spacing_mm)
    for s in case.structures:
        kept = []
        for p in s.polygons:
            k = int(np.argmin(np.abs(old_z - p[0, 2])))
            if k % stack == stack // 2 and k // stack < len(case.hu):
                p = p.copy()
                p[:, 2] = case.origin_mm[2] + sizes[2] * (k // stack)
                kept.append(p)
        s.polygons = kept
    empty = [s.name for s in case.structures if not s.polygons]
    if empty:
        raise BadInput(f'--coarsen-mm {new_mm:g}: nothing is left of {", ".join(empty)}')
    case.spacing_mm = sizes
