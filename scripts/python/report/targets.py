"""The targets section: what the rule decided for each part of a vertebra and why, with a drawing seen from above."""
from markupsafe import Markup, escape

# outlines in a picture of 200 x 230, front upwards, the patient's left on the right as on axial slices
SHAPES = {
    'body': 'M40 62 C40 22 160 22 160 62 C160 92 150 98 128 98 L72 98 C50 98 40 92 40 62 Z',
    'right pedicle': 'M60 100 L80 100 L78 134 L56 134 Z',
    'left pedicle': 'M120 100 L140 100 L144 134 L122 134 Z',
    'right transverse process': 'M55 136 L77 136 L70 158 L22 170 L12 154 L40 146 Z',
    'left transverse process': 'M123 136 L145 136 L160 146 L188 154 L178 170 L130 158 Z',
    'right lamina': 'M78 138 L92 152 L92 172 L72 160 Z',
    'left lamina': 'M122 138 L128 160 L108 172 L108 152 Z',
    'spinous process': 'M94 153 L106 153 L107 218 L93 218 Z',
}
LABELS = {'body': (100, 64), 'right pedicle': (44, 120), 'left pedicle': (156, 120),
          'right transverse process': (34, 186), 'left transverse process': (166, 186), 'spinous process': (116, 206)}


def drawing(vertebra):
    lines = ['<svg class="vertebra" viewBox="0 0 200 230" role="img" aria-label="parts of the vertebra seen from above">']
    for part in vertebra.get('parts', []):
        name = part.get('part')
        if name not in SHAPES:
            continue
        kind = ('in' if part.get('included') else 'out') + (' tumour' if part.get('involved') else '')
        lines.append(f'<path class="{kind}" d="{SHAPES[name]}"><title>{escape(name)}: {escape(part.get("why", ""))}'
                     '</title></path>')
    lines.append('<ellipse class="canal" cx="100" cy="122" rx="19" ry="22"/>')
    for part in vertebra.get('parts', []):
        if part.get('part') in LABELS:
            x, y = LABELS[part['part']]
            lines.append(f'<text x="{x}" y="{y}">{int(part.get("sector", 0))}</text>')
    lines.append('<text x="8" y="122">R</text><text x="192" y="122">L</text></svg>')
    return Markup(''.join(lines))


def number(value, digits):
    return '–' if value is None else f'{value:.{digits}f}'


def part_rows(vertebra):
    for part in vertebra.get('parts', []):
        yield {'sector': part.get('sector', ''), 'part': part.get('part', ''), 'bone': number(part.get('bone_cc'), 2),
               'tumour': number(part.get('tumour_cc'), 2), 'share': number(part.get('tumour_percent'), 0),
               'included': bool(part.get('included')), 'close_call': bool(part.get('close_call')),
               'why': part.get('why', '')}


EPIDURAL = (('epidural_cc', 'tumour in the canal', 'cc', 2), ('contact_mm', 'touches the sac over', 'mm', 1),
            ('contact_height_mm', 'for a height of', 'mm', 1), ('sac_compression_mm', 'sac pressed by', 'mm', 1),
            ('tumour_to_cord_mm', 'tumour to cord', 'mm', 1), ('fluid_round_cord_mm', 'fluid round the cord', 'mm', 1))


def targets_section(record):
    """What the template needs, or None where targets were not made by rule."""
    if not record or not isinstance(record.get('vertebrae'), list):
        return None
    epidural = record.get('epidural') or {}
    return {'source': record.get('source', ''), 'notes': record.get('notes', []), 'made': record.get('made', []),
            'grade': epidural.get('grade', 'not graded'),
            'epidural': [(label, f'{epidural[key]:.{digits}f} {unit}') for key, label, unit, digits in EPIDURAL
                         if epidural.get(key) is not None],
            'vertebrae': [{'name': v.get('structure', ''), 'level': v.get('level', ''), 'body': v.get('tumour_in_body', ''),
                           'ring': bool(v.get('ring_round_cord')), 'drawing': drawing(v), 'parts': list(part_rows(v))}
                          for v in record['vertebrae']]}
