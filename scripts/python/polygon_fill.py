"""Area coverage of pixels by polygons, even-odd: exact along x, sampled by a few lines along y."""
import numpy as np


def coverage(polygons, x0_mm, dx_mm, nx, y0_mm, dy_mm, ny, lines=4):
    """polygons: arrays N x (2 or more), mm. x0_mm, y0_mm: centre of pixel (0, 0). Returns [ny][nx], 0..1."""
    starts, ends = [], []
    for p in polygons:
        xy = (p[:, :2] - (x0_mm, y0_mm)) / (dx_mm, dy_mm) + 0.5  # pixel i spans i..i+1
        xy[:, 1] *= lines
        starts.append(xy)
        ends.append(np.roll(xy, -1, axis=0))
    if not starts:
        return np.zeros((ny, nx))
    a, b = np.concatenate(starts), np.concatenate(ends)
    low = np.where((a[:, 1] <= b[:, 1])[:, None], a, b)
    high = np.where((a[:, 1] <= b[:, 1])[:, None], b, a)
    # line r lies at r + 0.5; an edge crosses the lines in [low, high)
    first = np.clip(np.ceil(low[:, 1] - 0.5), 0, ny * lines).astype(int)
    last = np.clip(np.ceil(high[:, 1] - 0.5), 0, ny * lines).astype(int)
    count = last - first
    edge = np.repeat(np.arange(len(a)), count)
    if not len(edge):
        return np.zeros((ny, nx))
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row + 0.5 - low[edge, 1]) / (high[edge, 1] - low[edge, 1])
    x = np.clip(low[edge, 0] + share * (high[edge, 0] - low[edge, 0]), 0, nx)
    order = np.lexsort((x, row))
    row, x = row[order], x[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    sign = np.where(rank % 2 == 0, 1.0, -1.0)  # in, out, in, out along each line
    # what lies to the right of a crossing: part of its own pixel, all of the next ones
    cell = np.minimum(x.astype(int), nx - 1)
    part = cell + 1 - x
    step = np.zeros((ny * lines, nx + 1))
    np.add.at(step, (row, cell), sign * part)
    np.add.at(step, (row, cell + 1), sign * (1 - part))
    return np.cumsum(step, axis=1)[:, :nx].reshape(ny, lines, nx).mean(axis=1)
