"""What the report's pictures show: the CT on a screen-sized grid, the dose, and every structure's coverage on the
CT's grid, packed small (deflated bytes in base64)."""
import base64
import zlib

import numpy as np

from polygon_fill import coverage
from report.plan_reader import Grid

MAX_CT_VOXELS = 6_000_000
FRACTION_LEVELS = 15
# HU kept in a byte: fine steps in soft tissue, coarse ones in lung, bone and metal
HU_KNOTS = ((0, -1024), (30, -200), (180, 300), (235, 1500), (255, 3500))


def packed(array):
    """Deflated (zlib) base64 of an array's bytes, little-endian."""
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder('<')).tobytes()
    return base64.b64encode(zlib.compress(data, 9)).decode()


def hu_table():
    at, hu = zip(*HU_KNOTS)
    return np.interp(np.arange(256), at, hu)


def _block_mean(values, factors):
    """Means of blocks of (z, y, x) factors; what does not fill a block at the end is left out."""
    n = [s // f for s, f in zip(values.shape, factors)]
    cut = values[:n[0] * factors[0], :n[1] * factors[1], :n[2] * factors[2]]
    for axis, f in enumerate(factors):
        shape = cut.shape
        cut = cut.reshape(shape[:axis] + (shape[axis] // f, f) + shape[axis + 1:]).mean(axis + 1, dtype=np.float32)
    return cut


def coarsened(grid, max_voxels=MAX_CT_VOXELS):
    """The grid in blocks, finest axis first, until it has no more than max_voxels; and the factors (x, y, z)."""
    factors = np.ones(3, int)
    while np.prod(np.array(grid.values.shape)[::-1] // factors) > max_voxels:
        size = grid.spacing_mm * (factors + 1)
        factors[int(np.argmin(size))] += 1
    if (factors == 1).all():
        return grid
    return Grid(_block_mean(grid.values, factors[::-1]), grid.spacing_mm * factors,
                grid.origin_mm + grid.spacing_mm * (factors - 1) / 2)


def _nearest_planes(s, z_mm, gap_mm):
    """For each z the polygons of the nearest contoured plane, if that is no farther than half a contour gap."""
    planes = {}
    for p in s.polygons:
        planes.setdefault(round(float(p[0, 2]), 2), []).append(p)
    at = np.array(sorted(planes))
    reach = max(gap_mm, float(np.median(np.diff(at))) if len(at) > 1 else gap_mm) / 2 + 0.01
    for k, z in enumerate(z_mm):
        nearest = at[np.argmin(np.abs(at - z))]
        if abs(nearest - z) <= reach:
            yield k, planes[round(float(nearest), 2)]


def _mask_fractions(mask, grid):
    """A mask's share of the grid's voxels: the grid is made of whole blocks of the mask's voxels."""
    factor = np.maximum(1, np.rint(grid.spacing_mm / mask.spacing_mm).astype(int))
    corner = grid.origin_mm - grid.spacing_mm / 2 - (mask.origin_mm - mask.spacing_mm / 2)
    first = np.maximum(np.rint(corner / mask.spacing_mm).astype(int), 0)
    out = _block_mean(mask.values[first[2]:, first[1]:, first[0]:].astype(np.float32), factor[::-1])
    full = np.zeros(grid.values.shape, np.float32)
    n = np.minimum(out.shape, full.shape)
    full[:n[0], :n[1], :n[2]] = out[:n[0], :n[1], :n[2]]
    return full


def fractions(s, grid):
    """Share of each voxel of grid inside structure s: (box's first voxel x, y, z; values [z][y][x]) or None."""
    nz, ny, nx = grid.values.shape
    if s.mask is not None:
        full = _mask_fractions(s.mask, grid)
    elif s.polygons:
        full = np.zeros((nz, ny, nx), np.float32)
        z_mm = grid.origin_mm[2] + grid.spacing_mm[2] * np.arange(nz)
        for k, polygons in _nearest_planes(s, z_mm, grid.spacing_mm[2]):
            full[k] = coverage(polygons, grid.origin_mm[0], grid.spacing_mm[0], nx, grid.origin_mm[1],
                               grid.spacing_mm[1], ny)
    else:
        return None
    where = np.argwhere(full > 0)
    if not len(where):
        return None
    # a rim of a voxel, where there is one, so that outlines close
    low = np.maximum(where.min(0) - 1, 0)
    high = np.minimum(where.max(0) + 2, full.shape)
    return low[::-1], full[low[0]:high[0], low[1]:high[1], low[2]:high[2]]


def body_box(plan, grid, margin_mm=10.0):
    """The part of the CT that holds the body, as slices (z, y, x)."""
    body = next((s for s in plan.structures if s.role == 'external'), None)
    found = fractions(body, grid) if body else None
    if not found:
        return tuple(slice(0, n) for n in grid.values.shape)
    first, values = found
    rim = np.ceil(margin_mm / grid.spacing_mm).astype(int)
    low = np.maximum(first - rim, 0)
    high = np.minimum(first + values.shape[::-1] + rim, grid.values.shape[::-1])
    return tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1]))


def cropped(grid, box):
    first = np.array([b.start for b in box])[::-1]
    return Grid(grid.values[box], grid.spacing_mm, grid.origin_mm + first * grid.spacing_mm)


def display_ct(plan):
    """The CT as the report shows it: cut to the body, then coarsened; an empty one where the plan carries none."""
    source = plan.ct or Grid(np.zeros(plan.dose.values.shape, np.int16), plan.dose.spacing_mm, plan.dose.origin_mm)
    coarse = coarsened(source)
    factor = np.rint(coarse.spacing_mm / source.spacing_mm).astype(int)[::-1]
    box = body_box(plan, coarse)
    return coarsened(cropped(source, tuple(slice(b.start * f, b.stop * f) for b, f in zip(box, factor))))


def _grid_json(grid):
    return {'n': list(grid.values.shape[::-1]), 'spacing': [float(v) for v in grid.spacing_mm],
            'origin': [float(v) for v in grid.origin_mm]}


def ct_json(ct):
    table = hu_table()
    code = np.rint(np.interp(ct.values, table, np.arange(256))).astype(np.uint8)
    return {**_grid_json(ct), 'hu_of_code': [round(float(v), 1) for v in table], 'data': packed(code)}


def dose_json(dose):
    """Thousandths of the maximum, differences along x, low bytes before high bytes: small and exact to 0.1 %."""
    hot = np.argwhere(dose.values > 0.005 * dose.values.max())
    if len(hot):
        low, high = np.maximum(hot.min(0) - 1, 0), np.minimum(hot.max(0) + 2, dose.values.shape)
        dose = cropped(dose, tuple(slice(int(a), int(b)) for a, b in zip(low, high)))
    top = float(dose.values.max()) or 1.0
    code = np.rint(dose.values / top * 1000).astype(np.int32)
    step = np.diff(code, axis=2, prepend=0).astype(np.uint16)
    return {**_grid_json(dose), 'gy_per_code': top / 1000,
            'data': packed(np.concatenate([(step & 255).ravel(), (step >> 8).ravel()]).astype(np.uint8))}


def structure_json(s, ct):
    """Coverage for the sagittal and coronal outlines; the polygons themselves, in tenths of a mm, for the axial ones."""
    found = fractions(s, ct)
    if not found:
        return None
    first, values = found
    out = {'name': s.name, 'role': s.role, 'colour': list(s.colour), 'first': [int(v) for v in first],
           'n': list(values.shape[::-1]), 'data': packed(np.rint(values * FRACTION_LEVELS).astype(np.uint8))}
    if s.polygons:
        steps = [np.diff(np.rint((p[:, :2] - ct.origin_mm[:2]) * 10).astype(np.int32), axis=0, prepend=0)
                 for p in s.polygons]
        out['polygons'] = {'z': [round(float(p[0, 2]), 2) for p in s.polygons],
                           'points': [len(p) for p in s.polygons],
                           'data': packed(np.concatenate(steps).astype(np.int16))}
    return out
