"""What a beam of control points (docs/plan-format.md) lets through: monitor units by place in the isocentre plane."""
import numpy as np

PITCH_MM = 2.5


def open_places(leaves_mm, boundaries_mm, jaws_mm, along_y, x, y):
    """[y][x] True where neither jaws nor leaves cover the place, for one control point."""
    inside = (x[None, :] > jaws_mm[0]) & (x[None, :] < jaws_mm[1]) & (y[:, None] > jaws_mm[2]) & (y[:, None] < jaws_mm[3])
    if leaves_mm is None:
        return inside
    along, across = (y, x) if along_y else (x, y)
    pair = np.clip(np.searchsorted(boundaries_mm, across) - 1, 0, leaves_mm.shape[1] - 1)
    under = (across > boundaries_mm[0]) & (across < boundaries_mm[-1])
    clear = under[:, None] & (along[None, :] > leaves_mm[0, pair, None]) & (along[None, :] < leaves_mm[1, pair, None])
    return inside & (clear.T if along_y else clear)


def mu_map(points):
    """x, y and monitor units of the places that any control point opens; half of each step's MU go to either of its ends."""
    step = np.diff(points['cumulative_mu'])
    mu = 0.5 * (np.append(step, 0.0) + np.insert(step, 0, 0.0))
    jaws, leaves = points['jaws_mm'], points.get('leaves_mm')
    low, high = jaws.min(0), jaws.max(0)
    x = np.arange(np.floor(low[0] / PITCH_MM), np.ceil(high[1] / PITCH_MM)) * PITCH_MM + PITCH_MM / 2
    y = np.arange(np.floor(low[2] / PITCH_MM), np.ceil(high[3] / PITCH_MM)) * PITCH_MM + PITCH_MM / 2
    total = np.zeros((len(y), len(x)))
    for k, share in enumerate(mu):
        if share > 0:
            total += share * open_places(None if leaves is None else leaves[k], points.get('leaf_boundaries_mm'), jaws[k],
                                         points.get('along_y', False), x, y)
    rows, columns = np.nonzero(total)
    return x[columns], y[rows], total[rows, columns]


def n_segments(points):
    return int((np.diff(points['cumulative_mu']) > 0).sum())
