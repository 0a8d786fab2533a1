"""Fills the HTML template: tables as text, pictures as packed data that the page's own script draws."""
import json
import pathlib
import re

import jinja2
import numpy as np
from markupsafe import Markup

from report.apertures import PITCH_MM, mu_map, n_segments
from report.display import FRACTION_LEVELS, ct_json, display_ct, dose_json, structure_json
from report.metal import metal_section
from report.targets import targets_section

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = ('main.js', 'viewer.js', 'dvh.js', 'beams.js', 'controls.js', 'selfcheck.js')
TARGET_ROLES = ('ptv', 'ctv', 'gtv')
IMPORTANT_ROLES = TARGET_ROLES + ('cord', 'prv')
METRICS = ('Dmax_Gy', 'D0.03cc_Gy', 'D2_Gy', 'D50_Gy', 'D95_Gy', 'D98_Gy', 'Dmean_Gy')
DVH_POINTS = 400
MOST_SHOWN = 14


def number(value, digits=2):
    if value is None or not np.isfinite(value):
        return '–'
    return f'{value:.{digits}f}'


def target_structure(plan):
    wish = plan.prescription.get('target')
    by_name = {s.name: s for s in plan.structures}
    if wish in by_name:
        return by_name[wish]
    return next((s for role in TARGET_ROLES for s in plan.structures if s.role == role), None)


def in_order(structures):
    rank = {role: n for n, role in enumerate(('ptv', 'ctv', 'gtv', 'cord', 'prv', 'organ', 'hardware', 'support',
                                              'external', 'sector'))}
    return sorted(structures, key=lambda s: rank.get(s.role, 5))


def evaluated(plan):
    return {s.get('name'): s for s in plan.evaluation.get('structures', [])}


def usual_names(plan):
    """What is shown at first: targets, cord, what the protocol limits, then the organs with the highest dose."""
    values = evaluated(plan)
    limited = {limit.get('structure') for limit in plan.evaluation.get('limits', [])}
    names = [s.name for s in plan.structures if s.role in IMPORTANT_ROLES or s.role == 'external']
    names += [s.name for s in plan.structures if s.name in limited and s.name not in names]
    others = [s.name for s in plan.structures if s.name not in names and s.role != 'sector']
    others.sort(key=lambda n: -(values.get(n, {}).get('metrics', {}).get('Dmax_Gy') or 0))
    return set((names + others)[:MOST_SHOWN])


def band_json(plan, name, total_cc):
    """Least and most volume over the scenarios, in percent, at doses of its own; None where there are no scenarios."""
    if name not in plan.bands:
        return None
    dose, least, most = plan.bands[name]
    return {'dose_gy': [round(float(v), 3) for v in dose], 'least': [round(float(v), 3) for v in least / total_cc * 100],
            'most': [round(float(v), 3) for v in most / total_cc * 100]}


def dvh_json(plan, usual):
    by_name = {s.name: s for s in plan.structures}
    for s in in_order(plan.structures):
        if s.name not in plan.dvh or s.role == 'sector':
            continue
        dose, volume = plan.dvh[s.name]
        total = volume[0]
        if not total > 0:
            continue
        # an even choice of doses; the curve is read back between them
        at = np.linspace(0, dose[-1], min(len(dose), DVH_POINTS))
        yield {'name': s.name, 'colour': list(by_name[s.name].colour), 'important': s.role in IMPORTANT_ROLES,
               'band': band_json(plan, s.name, total),
               'shown': s.name in usual and s.role != 'external', 'dose_gy': [round(float(v), 3) for v in at],
               'percent': [round(float(v), 3) for v in np.interp(at, dose, volume / total * 100)]}


def beam_json(plan):
    for index, b in enumerate(plan.beams):
        if b.points:
            x, y, mu = mu_map(b.points)
            yield {'index': index, 'pitch': PITCH_MM, 'x': [float(v) for v in x], 'y': [float(v) for v in y],
                   'weights': [float(f'{v:.4g}') for v in mu]}
            continue
        if b.weights is None or b.x_mm is None or b.y_mm is None or not len(b.weights) == len(b.x_mm) == len(b.y_mm) > 0:
            continue
        yield {'index': index, 'pitch': b.bixel_mm, 'x': [round(float(v), 2) for v in b.x_mm],
               'y': [round(float(v), 2) for v in b.y_mm], 'weights': [float(f'{v:.4g}') for v in b.weights]}


def start_and_field(plan, ct, structures):
    """The first slices go through the middle of the target's box; the close field is that box and 4 cm around."""
    target = target_structure(plan)
    shown = next((s for s in structures if target is not None and s['name'] == target.name), None)
    if shown is None:
        hottest = np.unravel_index(np.argmax(plan.dose.values), plan.dose.values.shape)[::-1]
        return [float(v) for v in plan.dose.origin_mm + hottest * plan.dose.spacing_mm], None
    low = ct.origin_mm + np.array(shown['first']) * ct.spacing_mm
    size = np.array(shown['n']) * ct.spacing_mm
    middle = [float(v) for v in low + (size - ct.spacing_mm) / 2]
    return middle, {'middle': middle, 'size': [float(v) for v in size + 80]}


def page_data(plan):
    ct = display_ct(plan)
    usual = usual_names(plan)
    structures = [found for found in (structure_json(s, ct) for s in in_order(plan.structures)) if found]
    for s in structures:
        s['shown'] = s['name'] in usual
    start_mm, field = start_and_field(plan, ct, structures)
    return {'ct': ct_json(ct), 'dose': dose_json(plan.dose), 'structures': structures,
            'dvh': list(dvh_json(plan, usual)), 'beams': list(beam_json(plan)), 'start_mm': start_mm,
            'target_field': field, 'reference_gy': plan.reference_gy(), 'fraction_levels': FRACTION_LEVELS,
            'prescribed': bool(plan.prescription.get('dose_gy'))}


def hard_not_judged(plan):
    """Hard limits on structures that are in the case and could not be judged, as an empty cord."""
    return [limit for limit in plan.evaluation.get('not_judged', []) if limit.get('counts_as_missed')]


def chips(plan):
    limits = plan.evaluation.get('limits', [])
    if plan.provenance.get('interrupted') is True:
        yield {'kind': 'bad', 'text': 'NOT a finished plan: its search was interrupted'}
    missed = sum(1 for limit in limits if not limit.get('met'))
    if limits:
        yield {'kind': 'bad' if missed else 'good',
               'text': f'{missed} of {len(limits)} limits missed' if missed else f'all {len(limits)} limits met'}
    else:
        yield {'kind': '', 'text': 'no limits judged'}
    unknown = len(hard_not_judged(plan))
    if unknown:
        yield {'kind': 'bad', 'text': f'{unknown} hard limit{"s" if unknown > 1 else ""} not judged'}
    if plan.technique == 'fluence':
        yield {'kind': 'note', 'text': 'fluence plan: not deliverable'}
    elif plan.technique:
        yield {'kind': '', 'text': plan.technique}
    if plan.machine:
        yield {'kind': '', 'text': plan.machine}


def facts(plan):
    p, e = plan.prescription, plan.evaluation
    target, values = target_structure(plan), evaluated(plan)
    if p.get('dose_gy'):
        fractions = f' in {int(p["fractions"])} fx' if p.get('fractions') else ''
        yield 'Prescription', f'{p["dose_gy"]:g} Gy{fractions}'
    if p.get('boost'):
        yield 'Boost', f'{p["boost_gy"]:g} Gy to {p["boost"]}'
    if target is not None:
        yield 'Target', target.name
        metrics = values.get(target.name, {}).get('metrics', {})
        for key, label in (('D95_Gy', 'Target D95'), ('D98_Gy', 'Target D98')):
            if key in metrics:
                yield label, number(metrics[key]) + ' Gy'
    cord = next((s for s in plan.structures if s.role == 'cord'), None)
    metrics = values.get(cord.name, {}).get('metrics', {}) if cord else {}
    if 'D0.03cc_Gy' in metrics:
        yield 'Cord D0.03cc', number(metrics['D0.03cc_Gy']) + ' Gy'
    mu = sum(b.facts['mu'][0] for b in plan.beams if 'mu' in b.facts)
    if mu > 0:
        yield 'Monitor units a fraction', f'{mu:.1f}'
    if isinstance(plan.provenance.get('delivery_seconds'), (int, float)):
        yield 'Delivery of a fraction', f'{plan.provenance["delivery_seconds"]:.0f} s'
    yield 'Maximum dose', number(float(plan.dose.values.max())) + ' Gy'
    for key, label in (('paddick_ci', 'Paddick conformity'), ('gradient_index', 'Gradient index'),
                       ('homogeneity_index', 'Homogeneity'),
                       ('fall_off_pct_per_mm', 'Fall-off beside the cord (%/mm)'), ('hot_spot_pct', 'Hot spot (%)')):
        if isinstance(e.get(key), (int, float)):
            yield label, number(e[key])


def limit_rows(rows):
    """The evaluation's limits or goals."""
    for limit in rows:
        value, goal = limit.get('value'), limit.get('limit')
        lower = limit.get('sense') == 'at least'
        share = round(100 * value / goal) if value is not None and goal else None
        yield {**{key: limit.get(key) or '' for key in ('structure', 'unit', 'source')},
               'metric': plain_metric(limit.get('metric')), 'value': number(value), 'limit': number(goal),
               'sign': '≥' if lower else '≤', 'share': share, 'met': bool(limit.get('met')),
               'hard': bool(limit.get('hard')), 'unverified': bool(limit.get('unverified'))}


def plain_metric(key):
    """D0.03cc_Gy as D0.03cc, V100_pct as V100%: the value's own unit stands beside it."""
    key = re.sub(r'_(Gy|cc|pct)$', '', str(key or ''))
    return key + '%' if re.fullmatch(r'[DV]\d+(\.\d+)?', key) else key


def robustness_table(plan):
    """Heads and rows of the table of scenarios; the worst of all comes last."""
    r = plan.robustness
    if not r:
        return None
    rows = [('as planned', r['nominal'], None)]
    rows += [(s['name'], s['values'], s['limits_met']) for s in r['scenarios']]
    rows.append(('worst', r['worst'], None))
    return {'heads': [f"{c['structure']} {plain_metric(c['metric'])}{' (%)' if c['metric'].endswith('_pct') else ' (Gy)'}"
                      for c in r['columns']],
            'rows': [{'name': name, 'values': [number(v) for v in values], 'met': met} for name, values, met in rows],
            'limits': [{'structure': limit['structure'], 'metric': plain_metric(limit['metric']), 'unit': limit['unit'],
                        'nominal': number(limit['nominal']), 'worst': number(limit['worst']),
                        'limit': number(limit['limit']), 'sign': '≥' if limit['sense'] == 'at least' else '≤',
                        'scenario': limit['worst_scenario'], 'margin': limit['margin'],
                        'met': limit['nominal_met'] and limit['met_in'] == r['scenarios_computed']}
                       for limit in r['limits']],
            'met': r['scenarios_with_all_limits_met'], 'of': r['scenarios_computed']}


def not_judged_rows(plan):
    for limit in plan.evaluation.get('not_judged', []):
        yield {'structure': limit.get('structure', ''), 'metric': plain_metric(limit.get('metric')),
               'limit': f'{number(limit.get("limit"))} {limit.get("unit", "")}', 'reason': limit.get('reason', '')}


def structure_rows(plan):
    values = evaluated(plan)
    for s in in_order(plan.structures):
        found = values.get(s.name)
        if found and s.role != 'sector':
            metrics = found.get('metrics', {})
            yield {'name': s.name, 'role': s.role, 'colour': ', '.join(str(c) for c in s.colour),
                   'volume': number(found.get('volume_cc')), 'metrics': [number(metrics.get(m)) for m in METRICS]}


def angles(values):
    """One angle, or the span of an arc."""
    low, high = float(np.min(values)), float(np.max(values))
    return f'{low:g}°' if low == high else f'{float(values[0]):g}° to {float(values[-1]):g}° ({len(values)} control points)'


def beam_rows(plan):
    for index, b in enumerate(plan.beams):
        f, lines = b.facts, []
        for key, label in (('gantry_deg', 'gantry'), ('collimator_deg', 'collimator'), ('couch_deg', 'couch')):
            if key in f and (key == 'gantry_deg' or np.any(f[key] != 0)):
                lines.append(f'{label} {angles(f[key])}')
        if 'mu' in f and f['mu'][0] > 0:
            lines.append(f'{f["mu"][0]:.1f} MU')
        if b.points and np.ptp(b.points['gantry_deg']) == 0:
            lines.append(f'{n_segments(b.points)} segments')
        if b.weights is not None:
            lines.append(f'{len(b.weights)} bixels, {int((b.weights > 0).sum())} open')
        if 'isocentre_mm' in f:
            lines.append('isocentre ' + ', '.join(f'{v:.1f}' for v in f['isocentre_mm']) + ' mm')
        name = f'Beam {int(b.name) + 1}' if b.name.isdigit() else b.name
        drawn = b.points is not None or (b.weights is not None and b.x_mm is not None)
        yield {'index': index, 'name': name, 'lines': lines, 'map': drawn}


def flat(value, prefix=''):
    """Nested facts as rows: seconds.optimise = 12.3."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f'{prefix} · {key}' if prefix else str(key))
    elif isinstance(value, list):
        yield prefix, ' '.join(str(v) for v in value)
    else:
        yield prefix, f'{value:g}' if isinstance(value, float) else str(value)


def earlier_section(record):
    """The second course's table and rules (docs/reirradiation.md)."""
    if not isinstance(record, dict):
        return None
    keys = ('earlier_eqd2_Gy', 'new_eqd2_Gy', 'total_eqd2_Gy', 'sum_of_largest_eqd2_Gy', 'total_bed2_Gy')
    return {'file': pathlib.Path(str(record.get('earlier', ''))).name, 'fractions': f"{record.get('earlier_fractions', 0):g}",
            'recovery': f"{100 * record.get('recovery', 0):g}", 'judged_on': record.get('judged_on', ''),
            'source': record.get('source', ''), 'warning': record.get('warning', ''),
            'rows': [[s.get('structure', '')] + [number(s.get(key)) for key in keys] for s in record.get('structures', [])],
            'rules': [{'text': r.get('text', ''), 'value': number(r.get('value'), 1), 'limit': number(r.get('limit'), 0),
                       'unit': r.get('unit', ''), 'met': r.get('met')} for r in record.get('rules', [])]}


def make_page(plan, title):
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((HERE / 'template.html').read_text())
    # inside <script> only "<" could end the element early
    data = json.dumps(page_data(plan), separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    file = pathlib.Path(plan.path).name
    prescription, judged = plan.prescription, plan.evaluation.get('prescription') or {}
    tables = [(name, note, list(limit_rows(plan.evaluation.get(key) or []))) for key, name, note in (
        ('limits', 'Limits', ''), ('goals', 'Goals', 'Wished for, not required.'))]
    return template.render(
        title=title or pathlib.Path(plan.path).stem, subtitle=f'spineplan report of {file}', chips=list(chips(plan)),
        facts=list(facts(plan)), prescribed=bool(prescription.get('dose_gy')), has_dvh=bool(plan.dvh),
        protocol=judged.get('protocol_title') or judged.get('protocol') or prescription.get('protocol') or '',
        limit_tables=[table for table in tables if table[2]], not_judged=list(not_judged_rows(plan)),
        hard_not_judged=bool(hard_not_judged(plan)),
        metric_names=[m.replace('_Gy', ' (Gy)') for m in METRICS], structures=list(structure_rows(plan)),
        robustness=robustness_table(plan), fluence=plan.technique == 'fluence', beams=list(beam_rows(plan)),
        targets=targets_section(plan.targets), metal=metal_section(plan),
        earlier=earlier_section(plan.evaluation.get('reirradiation')), provenance=list(flat(plan.provenance)),
        file=file, css=Markup((HERE / 'report.css').read_text()), data=Markup(data),
        script=Markup('\n'.join((HERE / name).read_text() for name in SCRIPTS)))
