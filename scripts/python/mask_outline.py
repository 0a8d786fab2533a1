"""Outlines of voxel masks along the voxels' edges: the polygons hold exactly the voxels' area, so that a mask sent
as contours and filled again is the same mask (a contour at half height would cut every corner)."""
from collections import defaultdict

import numpy as np


def _edges(plane):
    """Directed edges between corners (column, row), with the inside on their left hand seen along +z (x right, y down)."""
    padded = np.pad(plane.astype(bool), 1)
    inside = padded[1:-1, 1:-1]
    out = []
    for neighbour, start, end in ((padded[:-2, 1:-1], (1, 0), (0, 0)), (padded[2:, 1:-1], (0, 1), (1, 1)),
                                  (padded[1:-1, :-2], (0, 0), (0, 1)), (padded[1:-1, 2:], (1, 1), (1, 0))):
        j, i = np.nonzero(inside & ~neighbour)
        out.append(np.column_stack([i + start[0], j + start[1], i + end[0], j + end[1]]))
    return np.concatenate(out)


def outlines(plane):
    """Closed polygons (n x 2 corners in voxel units; corner (0, 0) is the low edge of the first voxel) of a 2-D mask."""
    leaving = defaultdict(list)
    for x0, y0, x1, y1 in _edges(plane).tolist():
        leaving[x0, y0].append((x1, y1))
    polygons = []
    while leaving:
        start = next(iter(leaving))
        line, here, before = [start], start, None
        while True:
            ways = leaving[here]
            if len(ways) > 1 and before is not None:
                # voxels that touch at a corner only stay apart: turn towards the inside
                step = (here[0] - before[0], here[1] - before[1])
                ways.sort(key=lambda w: step[0] * (w[1] - here[1]) - step[1] * (w[0] - here[0]))
            towards = ways.pop(0)
            if not ways:
                del leaving[here]
            before, here = here, towards
            if here == start:
                break
            line.append(here)
        points = np.array(line, float)
        turn = np.roll(points, -1, 0) - points, points - np.roll(points, 1, 0)
        polygons.append(points[np.abs(turn[0][:, 0] * turn[1][:, 1] - turn[0][:, 1] * turn[1][:, 0]) > 0])
    return polygons


def mask_polygons(mask, spacing_mm, origin_mm):
    """Polygons (n x 3, mm) of a mask [z][y][x], slice by slice."""
    out = []
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        rows, columns = np.flatnonzero(mask[k].any(axis=1)), np.flatnonzero(mask[k].any(axis=0))
        first = np.array([columns[0], rows[0]])
        part = mask[k, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        for polygon in outlines(part):
            xy = np.asarray(origin_mm[:2]) + (polygon + first - 0.5) * np.asarray(spacing_mm[:2])
            out.append(np.column_stack([xy, np.full(len(xy), origin_mm[2] + spacing_mm[2] * k)]))
    return out
