"""Writes the first files of corpus/case and corpus/plan: small, with one of everything, nothing compressed, so that a
mutated byte is a mutated value.

    .venv/bin/python tests/fuzz/make_seeds.py
"""
import pathlib

import h5py
import numpy as np

CORPUS = pathlib.Path(__file__).resolve().parent / 'corpus'
SHAPE, SPACING, ORIGIN = (3, 5, 6), [4.0, 5.0, 6.0], [-10.0, 20.0, 700.0]


def square(x, y, half, z):
    return [[x - half, y - half, z], [x + half, y - half, z], [x + half, y + half, z], [x - half, y + half, z]]


def add_structure(group, name, role, polygons=(), mask=None, **attributes):
    g = group.create_group(name)
    g.attrs['role'] = np.bytes_(role)
    for key, value in attributes.items():
        g.attrs[key] = value
    if polygons:
        g['points_mm'] = np.concatenate(polygons).astype(float)
        g['offsets'] = np.cumsum([0] + [len(p) for p in polygons]).astype('u8')
    if mask is not None:
        g['mask'] = mask


def add_case(f, beams):
    f.attrs['format'], f.attrs['version'] = np.bytes_('spineplan-case'), 1
    ct = f.create_dataset('ct/hu', data=np.arange(90, dtype=np.int16).reshape(SHAPE))
    ct.attrs['spacing_mm'], ct.attrs['origin_mm'] = SPACING, ORIGIN
    ct.attrs['patient_position'] = np.bytes_('HFS')
    structures = f.create_group('structures')
    inside = np.zeros(SHAPE, np.uint8)
    inside[1, 1:3, 1:4] = 1
    add_structure(structures, 'PTV', 'ptv', [square(0, 28, 4, 700), square(0, 28, 5, 706), square(0, 28, 1, 706)],
                  colour=np.array([200, 30, 30], np.uint8))
    add_structure(structures, 'cord', 'cord', [square(0, 36, 2, 700), square(0, 36, 2, 712)])
    add_structure(structures, 'rod', 'hardware', mask=inside, material=np.bytes_('titanium'), density_g_cm3=4.5)
    p = f.create_group('prescription')
    p.attrs['dose_gy'], p.attrs['fractions'] = 24.0, 2
    p.attrs['target'], p.attrs['protocol'] = np.bytes_('PTV'), 'sc24-24gy-2fx'
    if beams:
        b = f.create_group('beams/1')
        b.attrs['gantry_deg'], b.attrs['couch_deg'], b.attrs['isocentre_mm'] = 180.0, 10.0, [0.0, 28.0, 706.0]


def add_plan(f, controlled):
    f.attrs['format'], f.attrs['version'] = np.bytes_('spineplan-plan'), np.uint32(1)
    f.attrs['technique'], f.attrs['machine'] = np.bytes_('vmat' if controlled else 'fluence'), np.bytes_('generic-6mv')
    add_case(f.create_group('case'), False)
    dose = f.create_dataset('dose/dose_gy', data=np.linspace(0, 24, 90, dtype=np.float32).reshape(SHAPE))
    dose.attrs['spacing_mm'], dose.attrs['origin_mm'] = SPACING, ORIGIN
    f['evaluation'], f['provenance'] = '{"limits": [{"met": true}]}', '{"seed": 1, "device": "a"}'
    n = 3 if controlled else 1
    for i in range(2):
        b = f.create_group(f'beams/{i}')
        b.attrs['isocentre_mm'], b.attrs['sad_mm'] = [0.0, 28.0, 706.0], 1000.0
        b.attrs['technique'], b.attrs['machine'] = f.attrs['technique'], f.attrs['machine']
        b['gantry_deg'] = 120.0 + 40 * i + 5 * np.arange(n)
        b['collimator_deg'], b['couch_deg'] = np.full(n, 10.0), np.zeros(n)
        b['jaws_mm'] = np.tile([-20.0, 20.0, -15.0, 15.0], (n, 1))
        if controlled:
            b.attrs['mlc'], b.attrs['mu'], b.attrs['name'] = np.bytes_('hd120'), 80.0, np.bytes_('arc')
            b['gantry_turn'], b['cumulative_mu'] = np.array([1, 1, 0], np.int8), np.array([0.0, 30.0, 80.0])
            b['leaf_boundaries_mm'] = np.array([-10.0, -5.0, 0.0, 5.0])
            b['leaves_mm'] = np.tile([[[-8.0] * 3, [6.0] * 3]], (n, 1, 1))
            b['leaves_mm'].attrs['axis'] = np.bytes_('x')
        else:
            b.attrs['bixel_mm'] = 5.0
            b['bixel_x_mm'], b['bixel_y_mm'] = np.float32([-2.5, 2.5, 0.0]), np.float32([-2.5, -2.5, 2.5])
            b['weights'] = np.float32([1.0, 2.0, 0.5])


def main():
    with h5py.File(CORPUS / 'case' / 'contours-and-mask.h5', 'w') as f:
        add_case(f, True)
    for name, controlled in (('fluence', False), ('control-points', True)):
        with h5py.File(CORPUS / 'plan' / f'{name}.h5', 'w') as f:
            add_plan(f, controlled)


if __name__ == '__main__':
    main()
