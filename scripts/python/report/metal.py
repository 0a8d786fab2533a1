"""What a calculation that takes implants for water would have missed: differences by structure, and a picture."""
import base64
import io

import numpy as np
from markupsafe import Markup

from case_file import BadInput
from report.display import display_ct, fractions
from report.plan_reader import read_dose

LARGE_PERCENT = 2.0  # of the prescription: differences of that much and more are counted
MOST_ROWS = 14


def read_metal(plan, water_path, metal_path=None):
    """Adds the doses with implants as they are (the plan's own where none is given) and as water."""
    water = read_dose(water_path)
    metal = read_dose(metal_path) if metal_path else plan.dose
    same = metal.values.shape == water.values.shape and np.allclose(metal.spacing_mm, water.spacing_mm) and \
        np.allclose(metal.origin_mm, water.origin_mm, atol=1e-3)
    if not same:
        raise BadInput(f'{water_path} has another grid than {metal_path or plan.path}: compute both with one --grid-mm')
    if not any(s.role == 'hardware' for s in plan.structures):
        raise BadInput(f'{plan.path} has no structure of role hardware')
    plan.metal = (metal, water)


def shares(s, grid):
    """The share of each voxel of a grid in a structure, on the grid's own array, or None."""
    found = fractions(s, grid)
    if found is None:
        return None
    out = np.zeros(grid.values.shape, np.float32)
    (x, y, z), values = found
    out[z:z + values.shape[0], y:y + values.shape[1], x:x + values.shape[2]] = values
    return out


def dose_at_share(dose, share, part):
    """Least dose of the hottest `part` of the volume."""
    order = np.argsort(-dose)
    volume = np.cumsum(share[order])
    return float(dose[order][min(np.searchsorted(volume, part * volume[-1]), len(order) - 1)])


def metal_section(plan):
    """What the template needs, or None where nothing was compared."""
    if not plan.metal:
        return None
    metal, water = plan.metal
    reference = plan.reference_gy()
    percent = 100 * (metal.values - water.values) / reference
    implants = np.zeros(metal.values.shape, bool)
    for s in plan.structures:
        found = shares(s, metal) if s.role == 'hardware' else None
        if found is not None:
            implants |= found > 0
    rows = []
    for s in plan.structures:
        if s.role in ('external', 'support', 'sector'):
            continue
        share = shares(s, metal)
        if share is None:
            continue
        inside = share > 0
        if s.role != 'hardware':  # within metal the two doses are to different matter
            inside &= ~implants
        if not inside.any() or metal.values[inside].max() < 0.1 * reference:
            continue
        w, a, b = share[inside], metal.values[inside], water.values[inside]
        d = percent[inside]
        rows.append({'name': s.name, 'role': s.role, 'mean': f'{np.average(d, weights=w):+.1f}',
                     'd95': [f'{dose_at_share(v, w, 0.95):.2f}' for v in (a, b)],
                     'd2': [f'{dose_at_share(v, w, 0.02):.2f}' for v in (a, b)],
                     'low': f'{dose_at_share(d, w, 0.98):+.1f}', 'high': f'{dose_at_share(d, w, 0.02):+.1f}',
                     'large': f'{100 * np.average(np.abs(d) >= LARGE_PERCENT, weights=w):.0f}'})
    order = {role: n for n, role in enumerate(('gtv', 'ctv', 'ptv', 'cord', 'prv', 'hardware', 'organ'))}
    rows.sort(key=lambda r: order.get(r['role'], 9))
    return {'rows': rows[:MOST_ROWS], 'picture': picture(plan, percent, metal, implants), 'large': f'{LARGE_PERCENT:g}'}


def picture(plan, percent, grid, implants):
    """The axial slice with the largest differences outside of the implants, where the dose counts."""
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    counts = np.where(implants | (grid.values < 0.2 * grid.values.max()), 0, np.abs(percent))
    k = int(np.argmax((counts >= LARGE_PERCENT).sum((1, 2)) if (counts >= LARGE_PERCENT).any() else counts.sum((1, 2))))
    z = grid.origin_mm[2] + k * grid.spacing_mm[2]
    ct = display_ct(plan)
    kc = int(np.clip(np.rint((z - ct.origin_mm[2]) / ct.spacing_mm[2]), 0, ct.values.shape[0] - 1))
    figure, ax = plt.subplots(figsize=(7, 5), layout='constrained')

    def extent(g):
        x, y = g.origin_mm[0], g.origin_mm[1]
        dx, dy = g.spacing_mm[0], g.spacing_mm[1]
        ny, nx = g.values.shape[1:]
        return x - dx / 2, x + (nx - 0.5) * dx, y + (ny - 0.5) * dy, y - dy / 2

    ax.imshow(ct.values[kc], cmap='gray', vmin=-160, vmax=240, extent=extent(ct))
    shown = np.ma.masked_where(np.abs(percent[k]) < 0.5, percent[k])
    image = ax.imshow(shown, cmap='RdBu_r', vmin=-8, vmax=8, alpha=0.75, extent=extent(grid))
    axes = [grid.origin_mm[a] + grid.spacing_mm[a] * np.arange(grid.values.shape[2 - a]) for a in (0, 1)]
    for s in plan.structures:
        share = shares(s, grid) if s.role in ('hardware', 'ptv', 'cord') else None
        if share is not None and share[k].max() > 0.5:
            ax.contour(*axes, share[k], levels=[0.5], linewidths=1.0,
                       colors=['#ffd400' if s.role == 'hardware' else tuple(c / 255 for c in s.colour)])
    hot = np.argwhere(grid.values[k] > 0.1 * grid.values.max())
    if len(hot):
        (y0, x0), (y1, x1) = hot.min(0), hot.max(0)
        ax.set_xlim(axes[0][x0] - 10, axes[0][x1] + 10)
        ax.set_ylim(axes[1][y1] + 10, axes[1][y0] - 10)
    ax.set_title(f'dose with implants less dose with water in their place, z = {z:.1f} mm', fontsize=9)
    figure.colorbar(image, label='% of the prescription', shrink=0.8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110)
    plt.close(figure)
    return Markup('data:image/png;base64,' + base64.b64encode(buffer.getvalue()).decode())
