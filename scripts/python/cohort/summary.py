"""What the table shows of a plan and of its recalculated dose."""
import json

import h5py


def missed_text(limit, value):
    return (f'{limit["structure"]} {limit["metric"]} ' + (f'{value:.2f}' if value is not None else 'not known')
            + f' against {limit["limit"]:g} {limit["unit"]}')


def judged(evaluation):
    """(limits judged, sentences of those missed): as planned, in the scenarios of --robust, and the rules of a second course. A
    hard limit that could not be judged counts as missed, as in the plan's own exit status."""
    limits = evaluation.get('limits') or []
    blind = [limit for limit in evaluation.get('not_judged') or [] if limit.get('counts_as_missed')]
    robust = evaluation.get('robust') or {}
    scenarios = robust.get('limits') or []
    earlier = evaluation.get('reirradiation') or {}
    rules = [rule for rule in earlier.get('rules') or [] if rule.get('met') is not None]
    missed = [missed_text(limit, limit.get('value')) for limit in limits if not limit['met']]
    missed += [missed_text(limit, None) for limit in blind]
    missed += [f'{missed_text(limit, limit.get("worst"))} (scenario {limit.get("worst_scenario")})' for limit in scenarios
               if not limit['met']]
    missed += [f'{rule["text"]} {rule["value"]:.2f} against {rule["limit"]:g} {rule["unit"]}' for rule in rules
               if not rule['met']]
    return len(limits) + len(blind) + len(scenarios) + len(rules), missed


def summary(plan_path):
    """What the table shows of a plan."""
    with h5py.File(plan_path) as f:
        evaluation, provenance = json.loads(f['evaluation'][()]), json.loads(f['provenance'][()])
        engine = provenance.get('engine')
    limits, missed = judged(evaluation)
    metrics = {s['name']: s['metrics'] for s in evaluation.get('structures', [])}
    target = metrics.get((evaluation.get('prescription') or {}).get('target'), {})
    cord = [s['metrics'].get('D0.03cc_Gy') for s in evaluation.get('structures', []) if s['role'] == 'cord']
    return {
        'protocol': (evaluation.get('prescription') or {}).get('protocol'),
        'dose_gy': (evaluation.get('prescription') or {}).get('dose_gy'),
        'fractions': (evaluation.get('prescription') or {}).get('fractions'),
        'limits': limits, 'limits_met': limits - len(missed), 'missed': missed,
        'target_D95_gy': target.get('D95_Gy'), 'target_D98_gy': target.get('D98_Gy'),
        'target_V100_pct': target.get('V100_pct'), 'target_Dmax_gy': target.get('Dmax_Gy'),
        'cord_D003cc_gy': max((c for c in cord if c is not None), default=None),
        'paddick_ci': evaluation.get('paddick_ci'), 'gradient_index': evaluation.get('gradient_index'),
        'engine': engine, 'device': provenance.get('device'), 'driver': provenance.get('driver'),
        'program': provenance.get('program'),
        'seconds': {key: provenance.get(f'{key}_seconds') for key in ('matrix', 'optimise', 'dose', 'total')}}


def dose_summary(dose_path):
    with h5py.File(dose_path) as f:
        provenance = json.loads(f['provenance'][()])
    return {'mc_sigma_pct': provenance.get('mean_sigma_percent'), 'mc_histories': provenance.get('histories'),
            'mc_seconds': provenance.get('transport_seconds')}
