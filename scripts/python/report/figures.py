"""The report's pictures as PNG for papers: three slices through the target with isodoses and contours, and the DVH."""
import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
import numpy as np  # noqa: E402
from scipy.ndimage import map_coordinates  # noqa: E402

from atomic_write import save_figure  # noqa: E402
from report.display import display_ct, fractions  # noqa: E402
from report.page import IMPORTANT_ROLES, in_order, target_structure, usual_names  # noqa: E402

DPI = 300
LEVELS = ((105, '#ff2d2d'), (100, '#ff9500'), (90, '#9be300'), (80, '#22c55e'), (50, '#38bdf8'), (30, '#6366f1'))
PLANES = {'axial': (2, 0, 1), 'sagittal': (0, 1, 2), 'coronal': (1, 0, 2)}  # fixed axis, across, up or down
READABLE = 0.72  # pale lines are darkened to this on white paper


def _centre_mm(plan, ct):
    target = target_structure(plan)
    found = fractions(target, ct) if target else None
    if not found:
        hottest = np.unravel_index(np.argmax(plan.dose.values), plan.dose.values.shape)[::-1]
        return plan.dose.origin_mm + hottest * plan.dose.spacing_mm
    first, values = found
    at = np.argwhere(values > 0.5)[:, ::-1] if (values > 0.5).any() else np.argwhere(values > 0)[:, ::-1]
    return ct.origin_mm + (first + at.mean(0)) * ct.spacing_mm


def _dose_plane(plan, ct, plane, position_mm, u_mm, v_mm):
    axis, u, v = PLANES[plane]
    mm = [None] * 3
    mm[u], mm[v] = np.meshgrid(u_mm, v_mm)
    mm[axis] = np.full_like(mm[u], position_mm[axis])
    index = [(mm[a] - plan.dose.origin_mm[a]) / plan.dose.spacing_mm[a] for a in (2, 1, 0)]
    return map_coordinates(plan.dose.values.astype(np.float32), index, order=1, cval=0.0)


def _draw_plane(ax, plan, ct, plane, centre_mm, shown):
    axis, u, v = PLANES[plane]
    k = int(np.clip(np.rint((centre_mm[axis] - ct.origin_mm[axis]) / ct.spacing_mm[axis]), 0,
                    ct.values.shape[2 - axis] - 1))
    axis_mm = [ct.origin_mm[a] + ct.spacing_mm[a] * np.arange(ct.values.shape[2 - a]) for a in range(3)]
    half = ct.spacing_mm / 2
    slab = np.take(ct.values, k, axis=2 - axis)  # rows: v, columns: u
    extent = (axis_mm[u][0] - half[u], axis_mm[u][-1] + half[u], axis_mm[v][-1] + half[v], axis_mm[v][0] - half[v])
    ax.imshow(slab, cmap='gray', vmin=-160, vmax=240, extent=extent, interpolation='bilinear')
    fine = [np.arange(axis_mm[a][0], axis_mm[a][-1], 1.0) for a in (u, v)]
    dose = _dose_plane(plan, ct, plane, [axis_mm[a][k] if a == axis else 0 for a in range(3)], *fine)
    reference = plan.reference_gy()
    ax.imshow(np.ma.masked_less(dose, 0.2 * reference), cmap='turbo', vmin=0.2 * reference, vmax=1.1 * reference,
              alpha=0.35, extent=(fine[0][0], fine[0][-1], fine[1][-1], fine[1][0]), interpolation='bilinear')
    for percent, colour in LEVELS:
        if dose.max() > percent / 100 * reference > dose.min():
            ax.contour(*fine, dose, levels=[percent / 100 * reference], colors=[colour], linewidths=0.8)
    for s in plan.structures:
        found = fractions(s, ct) if s.name in shown else None
        if not found or not 0 <= k - found[0][axis] < found[1].shape[2 - axis]:
            continue
        first, values = found
        cover = np.pad(np.take(values, k - first[axis], axis=2 - axis), 1)
        at = [ct.origin_mm[a] + ct.spacing_mm[a] * (first[a] - 1 + np.arange(n)) for a, n in zip((u, v), cover.shape[::-1])]
        if cover.max() > 0.5:
            ax.contour(*at, cover, levels=[0.5], colors=[np.array(s.colour) / 255],
                       linewidths=1.4 if s.role in IMPORTANT_ROLES else 0.8)
    if plane != 'axial':
        ax.invert_yaxis()  # head up
    ax.set_aspect('equal')
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(f'{plane}, {"xyz"[axis]} = {axis_mm[axis][k]:.1f} mm', fontsize=8)


def views_png(plan, path):
    ct, shown = display_ct(plan), usual_names(plan)
    centre = _centre_mm(plan, ct)
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout='constrained')
    for ax, plane in zip(axes, PLANES):
        _draw_plane(ax, plan, ct, plane, centre, shown)
    lines = [plt.Line2D([], [], color=c, label=f'{p} % ({p / 100 * plan.reference_gy():.1f} Gy)') for p, c in LEVELS]
    lines += [plt.Line2D([], [], color=np.array(s.colour) / 255, label=s.name, linewidth=2)
              for s in in_order(plan.structures) if s.name in shown and s.role in IMPORTANT_ROLES]
    figure.legend(handles=lines, loc='outside lower center', ncols=min(6, len(lines)), fontsize=7, frameon=False)
    save_figure(figure, path, DPI)
    plt.close(figure)


def dvh_png(plan, path):
    figure, ax = plt.subplots(figsize=(6, 4), layout='constrained')
    shown = usual_names(plan)
    for s in in_order(plan.structures):
        if s.name not in shown or s.name not in plan.dvh or s.role == 'external':
            continue
        dose, volume = plan.dvh[s.name]
        colour = np.array(s.colour) / 255
        colour = colour * min(1.0, READABLE / max(colour @ [0.2126, 0.7152, 0.0722], 1e-6))
        if s.name in plan.bands:
            at, least, most = plan.bands[s.name]
            ax.fill_between(at, 100 * least / volume[0], 100 * most / volume[0], color=colour, alpha=0.25, linewidth=0)
        ax.plot(dose, 100 * volume / volume[0], color=colour, label=s.name,
                linewidth=1.8 if s.role in IMPORTANT_ROLES else 1.0)
    if plan.prescription.get('dose_gy'):
        ax.axvline(plan.prescription['dose_gy'], color='0.4', linewidth=0.8, linestyle=':')
    ax.set(xlabel='Dose (Gy)', ylabel='Volume (%)', ylim=(0, 102), xlim=(0, None))
    ax.grid(color='0.9', linewidth=0.6)
    ax.spines[['top', 'right']].set_visible(False)
    ax.legend(fontsize=7, frameon=False, loc='center left', bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, path, DPI)
    plt.close(figure)
