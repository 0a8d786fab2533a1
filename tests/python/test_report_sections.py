"""The report tells what implants and an earlier course change."""
import json
import sys

import h5py
import numpy as np
import pytest

import make_report
from fake_plan import write_fake_plan
from report.metal import metal_section, read_metal
from report.plan_reader import read_plan
from test_report import ROOT


def make(*arguments):
    old = sys.argv
    sys.argv = ['report', *map(str, arguments)]
    try:
        return make_report.main()
    finally:
        sys.argv = old


def add_rod(f, centre_mm):
    """A rod 12 mm behind the target's middle."""
    rod = f.create_group('structures/Rod')
    rod.attrs['role'], rod.attrs['material'] = 'hardware', 'titanium'
    x, y, z = centre_mm
    square = np.array([[x - 3, y + 12], [x + 3, y + 12], [x + 3, y + 18], [x - 3, y + 18]])
    heights = f['ct/hu'].attrs['origin_mm'][2] + f['ct/hu'].attrs['spacing_mm'][2] * np.arange(f['ct/hu'].shape[0])
    heights = heights[abs(heights - z) < 30]
    rod['points_mm'] = np.concatenate([np.column_stack([square, np.full(4, h)]) for h in heights])
    rod['offsets'] = 4 * np.arange(len(heights) + 1).astype('u8')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A plan with a rod; without it the target would have 5 % of the prescription more, and the rod 20 %."""
    folder = tmp_path_factory.mktemp('sections')
    write_fake_plan(ROOT / 'tests' / 'data' / 'lumbar.h5', folder / 'plan.h5')
    with h5py.File(folder / 'plan.h5', 'a') as f, h5py.File(folder / 'water.h5', 'w') as w:
        target = f['structures'][f['prescription'].attrs['target']]
        centre = target['points_mm'][()].mean(0)
        add_rod(f, centre)
        d = f['dose/dose_gy']
        dose, gy = d[()], float(f['prescription'].attrs['dose_gy'])
        x, y = (d.attrs['origin_mm'][a] + d.attrs['spacing_mm'][a] * np.arange(dose.shape[2 - a]) for a in (0, 1))
        in_rod = (abs(x - centre[0]) < 3)[None, None, :] & (abs(y - centre[1] - 15) < 3)[None, :, None]
        change = np.where(in_rod, 0.20, 0.05) * gy
        out = w.create_dataset('dose/dose_gy', data=(dose + np.where(dose > 0.05 * gy, change, 0)).astype(np.float32))
        for name in ('spacing_mm', 'origin_mm'):
            out.attrs[name] = d.attrs[name]
        evaluation = json.loads(f['evaluation'][()])
        evaluation['reirradiation'] = {
            'earlier': '/some/where/old<b>.h5', 'earlier_fractions': 10.0, 'recovery': 0.25, 'judged_on': 'spinal_cord',
            'source': 'Sahgal 2012', 'warning': 'from few patients',
            'structures': [{'structure': 'spinal_cord', 'earlier_eqd2_Gy': 37.5, 'new_eqd2_Gy': 24.9,
                            'total_eqd2_Gy': 61.25, 'sum_of_largest_eqd2_Gy': 62.4, 'total_bed2_Gy': 122.5}],
            'rules': [{'rule': 1, 'text': 'total of both', 'value': 61.25, 'limit': 70.0, 'unit': 'Gy', 'met': True},
                      {'rule': 4, 'text': 'months between', 'value': None, 'limit': 5.0, 'unit': 'months', 'met': None}]}
        del f['evaluation']
        f['evaluation'] = json.dumps(evaluation)
    return folder


def test_the_difference_of_metal_is_that_of_the_two_doses(folder):
    plan = read_plan(folder / 'plan.h5')
    read_metal(plan, folder / 'water.h5')
    section = metal_section(plan)
    rows = {r['name']: r for r in section['rows']}
    target = rows[plan.prescription['target']]
    assert float(target['mean']) == pytest.approx(-5.0, abs=0.05)
    assert target['large'] == '100' and target['high'] == '-5.0'
    assert float(rows['Rod']['mean']) < -10
    assert section['picture'].startswith('data:image/png;base64,') and len(section['picture']) > 10_000


def test_the_page_shows_implants_and_the_earlier_course(folder):
    assert make(folder / 'plan.h5', '-o', folder / 'page.html', '--water', folder / 'water.h5') == 0
    page = (folder / 'page.html').read_text()
    assert 'id="metal"' in page and 'id="earlier"' in page
    assert '61.25' in page and 'not judged' in page and 'recovery of 25 %' in page
    assert 'old&lt;b&gt;.h5' in page and '/some/where' not in page


def test_a_page_without_them_has_no_such_sections(folder):
    write_fake_plan(ROOT / 'tests' / 'data' / 'lumbar.h5', folder / 'other.h5')
    assert make(folder / 'other.h5', '-o', folder / 'other.html') == 0
    page = (folder / 'other.html').read_text()
    assert 'id="metal"' not in page and 'id="earlier"' not in page


def test_a_dose_on_another_grid_or_a_plan_without_implants_is_refused(folder, capsys):
    with h5py.File(folder / 'water.h5') as w, h5py.File(folder / 'shifted.h5', 'w') as s:
        w.copy('dose', s)
        s['dose/dose_gy'].attrs['origin_mm'] = w['dose/dose_gy'].attrs['origin_mm'] + [2.0, 0, 0]
    assert make(folder / 'plan.h5', '-o', folder / 'no.html', '--water', folder / 'shifted.h5') == 2
    assert 'another grid' in capsys.readouterr().err
    write_fake_plan(ROOT / 'tests' / 'data' / 'lumbar.h5', folder / 'bare.h5')
    assert make(folder / 'bare.h5', '-o', folder / 'no.html', '--water', folder / 'water.h5') == 2
    assert 'role hardware' in capsys.readouterr().err
    assert make(folder / 'plan.h5', '-o', folder / 'no.html', '--metal', folder / 'water.h5') == 2
    assert not (folder / 'no.html').exists()
