"""The cohort's table, as CSV and as one HTML file."""
import csv
import io
import time
import urllib.parse

import jinja2

from atomic_write import whole_file

from .folder import one_line
from .keys import current_record

NUMBERS = {'Prescription (Gy)': 'dose_gy', 'Fractions': 'fractions', 'Target D95 (Gy)': 'target_D95_gy',
           'Target D98 (Gy)': 'target_D98_gy', 'Target V100 (%)': 'target_V100_pct', 'Target Dmax (Gy)': 'target_Dmax_gy',
           'Cord D0.03cc (Gy)': 'cord_D003cc_gy', 'Paddick CI': 'paddick_ci', 'Gradient index': 'gradient_index',
           'MC sigma (%)': 'mc_sigma_pct'}


def short(value):
    return f'{value:.4g}' if isinstance(value, (int, float)) and not isinstance(value, bool) else ''


def seconds_of(record, *path):
    value = record
    for key in path:
        value = (value or {}).get(key)
    return f'{value:.1f}' if isinstance(value, (int, float)) else ''


def limits_text(result):
    if not result:
        return ''
    if not result.get('limits'):
        return 'none judged'
    return f'{result["limits_met"]} of {result["limits"]} met'


def row_of(place, record):
    """Column -> text; record: what still holds of it. A case that nothing is known of is 'not run'."""
    result = record.get('result') or {}
    status = record.get('status', 'not run')
    row = {'Case': one_line(place.name), 'Status': status,
           'Limits': limits_text(result), 'Missed': '; '.join(result.get('missed') or []),
           'Protocol': result.get('protocol') or ''}
    row |= {column: short(result.get(key)) for column, key in NUMBERS.items()}
    row |= {'Matrix (s)': seconds_of(result, 'seconds', 'matrix'), 'Optimisation (s)': seconds_of(result, 'seconds', 'optimise'),
            'Plan (s)': seconds_of(record, 'plan', 'seconds'), 'MC dose (s)': seconds_of(record, 'dose', 'seconds'),
            'Engine': result.get('engine') or '', 'Device': result.get('device') or '', 'Host': record.get('host', ''),
            'Program': result.get('program') or '', 'Interruptions': str(record.get('interruptions', 0)),
            'Finished (UTC)': record.get('finished_utc', ''), 'Case SHA-256': record.get('case_sha256', ''),
            'Error': record.get('error', '')}
    return row


def harmless(text):
    """A spreadsheet takes what begins like this for a formula."""
    return "'" + text if text[:1] in ('=', '+', '-', '@', '\t', '\r') else text


def csv_text(rows):
    out = io.StringIO(newline='')
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(rows[0])
    writer.writerows([harmless(text) for text in row.values()] for row in rows)
    return out.getvalue()


def kind_of(row):
    if row['Status'] != 'done':
        return 'failed'
    return 'missed' if row['Missed'] else 'met' if row['Limits'] and row['Limits'] != 'none judged' else ''


TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title><style>
body { font: 14px/1.4 sans-serif; margin: 1.5em; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: left;
vertical-align: top } th { position: sticky; top: 0; background: #fff } td.n { text-align: right }
tr.failed td:nth-child(2) { color: #b00020; font-weight: bold } tr.missed td:nth-child(3) { color: #b06000; font-weight: bold }
tr.met td:nth-child(3) { color: #1b6e3c } .wide { max-width: 28em }
</style></head><body><h1>{{ title }}</h1>
<p>{{ counts }}. Made {{ made }} (UTC).</p>
<p>Research software, not a medical device. No dose of it may be used for treatment without independent verification.</p>
<table><thead><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead><tbody>
{% for row, kind, link in rows %}<tr class="{{ kind }}">{% for column in columns -%}
<td class="{{ 'n' if column in numbers else 'wide' }}">{% if column == 'Case' and link %}<a href="{{ link }}">{{ row[column] }}</a>
{%- else %}{{ row[column] }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></body></html>
"""


def link_of(place, record):
    report = place.result['report']
    return urllib.parse.quote(f'{report.parent.name}/{report.name}') if 'report' in record else ''


def counts_of(rows):
    done = [row for row in rows if row['Status'] == 'done']
    judged = [row for row in done if row['Limits'] and row['Limits'] != 'none judged']
    met = sum(not row['Missed'] for row in judged)
    text = f'{len(rows)} cases: {len(done)} planned, {met} of {len(judged)} judged meet all limits'
    failed = sum(row['Status'] == 'failed' for row in rows)
    left = len(rows) - len(done) - failed
    return text + (f', {failed} failed' if failed else '') + (f', {left} not finished' if left else '')


def tables_are_current(out, settings, keys):
    """Both are there, and the CSV is what the records say now."""
    try:
        text = (out / 'cohort.csv').read_bytes()
    except OSError:
        return False
    rows = [row_of(place, current_record(settings, keys, place)) for place in settings.places(out)]
    return (out / 'cohort.html').exists() and text == csv_text(rows).encode('utf-8', 'surrogateescape')


def write_tables(out, settings, keys):
    """OUT/cohort.csv and OUT/cohort.html from what holds of the records; returns the sentence that sums them up."""
    places = settings.places(out)
    records = [current_record(settings, keys, place) for place in places]
    rows = [row_of(place, record) for place, record in zip(places, records)]
    with whole_file(out / 'cohort.csv') as f:
        f.write(csv_text(rows).encode('utf-8', 'surrogateescape'))
    numbers = [c for c in rows[0] if c in NUMBERS or c.endswith('(s)') or c == 'Interruptions']
    # columns that say nothing in this cohort are left out of the page; the CSV has them all
    columns = [c for c in rows[0] if c in ('Case', 'Status') or any(row[c] not in ('', '0') for row in rows)]
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(TEMPLATE).render(
        title=settings.title, counts=counts_of(rows), made=time.strftime('%Y-%m-%d %H:%M', time.gmtime()), columns=columns,
        numbers=numbers, rows=[(row, kind_of(row), link_of(*known)) for row, *known in zip(rows, places, records)])
    with whole_file(out / 'cohort.html') as f:
        f.write(page.encode('utf-8', 'replace'))
    return counts_of(rows)
