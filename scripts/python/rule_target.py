"""Targets by rule, for CTs that come with anatomy but without a target: CTV = one structure (a vertebral body),
PTV = CTV + margin without cord + a rim. Shapes to plan on, not clinical targets.

Both are worked out as signed distances on a fine grid, half a millimetre in the plane, so that a margin thinner than a voxel of a
coarse CT is still there, and come back as contours on the CT's slices.
"""
import contourpy
import numpy as np
from scipy.ndimage import distance_transform_edt

from case_file import BadInput, Structure
from polygon_fill import coverage

FINE_MM = 0.5
FINE_Z_MM = 1.0


class _FineGrid:
    """The CT's slices cut into thin ones, and a fine raster in the plane, around one structure."""

    def __init__(self, case, low_mm, high_mm):
        self.x_mm = np.arange(low_mm[0], high_mm[0] + FINE_MM, FINE_MM)
        self.y_mm = np.arange(low_mm[1], high_mm[1] + FINE_MM, FINE_MM)
        self.cuts = 2 * int(np.ceil(case.spacing_mm[2] / FINE_Z_MM / 2)) - 1  # odd: the middle one is the slice's own
        z_mm = case.slice_positions_mm()
        self.slices = np.flatnonzero((z_mm >= low_mm[2]) & (z_mm <= high_mm[2]))
        self.sampling_mm = (case.spacing_mm[2] / self.cuts, FINE_MM, FINE_MM)
        self.case = case

    def raster(self, s):
        planes = []
        for k in self.slices:
            if s.mask is not None:
                ij = [np.rint((axis - self.case.origin_mm[a]) / self.case.spacing_mm[a]).astype(int)
                      for a, axis in ((0, self.x_mm), (1, self.y_mm))]
                ok = [(i >= 0) & (i < n) for i, n in zip(ij, self.case.hu.shape[:0:-1])]
                plane = np.zeros((len(self.y_mm), len(self.x_mm)), bool)
                plane[np.ix_(ok[1], ok[0])] = s.mask[k][np.ix_(ij[1][ok[1]], ij[0][ok[0]])] != 0
            else:
                z = self.case.slice_positions_mm()[k]
                here = [p for p in s.polygons if abs(p[0, 2] - z) < self.case.spacing_mm[2] / 2]
                plane = coverage(here, self.x_mm[0], FINE_MM, len(self.x_mm), self.y_mm[0], FINE_MM, len(self.y_mm)) > 0.5
            planes.append(plane)
        return np.repeat(np.array(planes), self.cuts, axis=0)

    def signed_distance_mm(self, inside):
        """Below zero inside; the surface lies half a fine voxel from the centres on either side."""
        if not inside.any():
            return np.full(inside.shape, np.inf)
        out = distance_transform_edt(~inside, sampling=self.sampling_mm)
        return out - distance_transform_edt(inside, sampling=self.sampling_mm) - np.where(inside, -1, 1) * FINE_MM / 2

    def contours(self, level, name, role, colour):
        """Contours of level > 0 on the CT's own slices."""
        polygons = []
        for n, k in enumerate(self.slices):
            plane = np.pad(np.clip(level[n * self.cuts + self.cuts // 2], -50, 50), 1, constant_values=-1.0)
            x = np.concatenate([[self.x_mm[0] - FINE_MM], self.x_mm, [self.x_mm[-1] + FINE_MM]])
            y = np.concatenate([[self.y_mm[0] - FINE_MM], self.y_mm, [self.y_mm[-1] + FINE_MM]])
            for line in contourpy.contour_generator(x, y, plane).lines(0.0):
                if len(line) > 6:  # a speck of a voxel is no target
                    polygons.append(np.column_stack([line[:-1], np.full(len(line) - 1, self.case.slice_positions_mm()[k])]))
        return Structure(name, role, colour, polygons)


def _bounds_mm(s, case):
    if s.mask is not None:
        where = np.argwhere(s.mask)[:, ::-1]
        if not len(where):
            raise BadInput(f'structure "{s.name}" is empty')
        return (case.origin_mm + where.min(0) * case.spacing_mm, case.origin_mm + where.max(0) * case.spacing_mm)
    points = np.concatenate(s.polygons)
    return points.min(0), points.max(0)


def make_target(case, wish, say, cord_rim_mm=2.0):
    """wish: NAME or NAME:MARGIN_MM. Adds CTV and PTV to the case and makes the PTV the prescription's target."""
    name, _, margin = wish.rpartition(':') if ':' in wish else (wish, '', '2')
    try:
        margin_mm = float(margin)
    except ValueError:
        raise BadInput(f'--make-target {wish}: "{margin}" is no margin in mm') from None
    source = case.find(name)
    low, high = _bounds_mm(source, case)
    reach = margin_mm + cord_rim_mm + 2 * FINE_MM
    grid = _FineGrid(case, low - np.array([reach, reach, reach + case.spacing_mm[2]]),
                     high + np.array([reach, reach, reach + case.spacing_mm[2]]))
    ctv_level = -grid.signed_distance_mm(grid.raster(source))
    ctv = grid.contours(ctv_level, 'CTV', 'ctv', (255, 160, 60))
    ptv_level = ctv_level + margin_mm
    cord = case.find_role('cord')
    if cord:
        ptv_level = np.minimum(ptv_level, grid.signed_distance_mm(grid.raster(cord)) - cord_rim_mm)
    ptv = grid.contours(ptv_level, 'PTV', 'ptv', (230, 40, 60))
    if not ptv.polygons:
        raise BadInput(f'--make-target {wish}: nothing of the target is left outside the cord and its rim')
    for s in (ctv, ptv):
        if any(old.name == s.name for old in case.structures):
            raise BadInput(f'--make-target {wish}: the case has a structure "{s.name}" already')
    case.structures += [ctv, ptv]
    case.prescription.setdefault('target', 'PTV')
    say(f'made CTV = {name} and PTV = CTV + {margin_mm:g} mm' +
        (f' without {cord.name} + {cord_rim_mm:g} mm' if cord else ' (no cord found to spare)'))
