"""The report opens offline in a real browser, shows pictures that the controls change, and runs nothing of the case's."""
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

import make_report
from fake_plan import EVIL, write_fake_plan
from report.page import page_data
from report.plan_reader import read_plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome',
                                               'google-chrome-stable'))), None)


def make(plan, out, *arguments):
    old = sys.argv
    sys.argv = ['report', str(plan), '-o', str(out), *map(str, arguments)]
    try:
        return make_report.main()
    finally:
        sys.argv = old


def open_in_browser(page, profile):
    """The document after its scripts have run. Every name resolves to nothing: there is no network to fall back on."""
    command = [BROWSER, '--headless=new', '--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP * ~NOTFOUND',
               f'--user-data-dir={profile}', '--window-size=1400,1200', '--enable-logging=stderr', '--v=0',
               '--virtual-time-budget=60000', '--dump-dom', f'file://{page}#selfcheck']
    done = subprocess.run(command, capture_output=True, text=True, timeout=180,
                          env={**os.environ, 'DBUS_SESSION_BUS_ADDRESS': 'none:'})
    return done.stdout, [line for line in done.stderr.splitlines() if 'CONSOLE' in line]


def test_a_report_takes_the_place_of_files_alone(plan, tmp_path, capsys):
    pipe, link, goal = tmp_path / 'pipe.html', tmp_path / 'link.html', tmp_path / 'goal.html'
    os.mkfifo(pipe)
    assert make(plan, pipe) == 2 and pipe.is_fifo()
    assert f'{pipe} is not a regular file; nothing is written over it' in capsys.readouterr().err
    link.symlink_to(goal)
    assert make(plan, link) == 2 and 'a link that leads to no file' in capsys.readouterr().err
    goal.write_text('old')
    assert make(plan, link) == 0 and link.is_symlink() and goal.stat().st_size > 1000
    assert sorted(tmp_path.iterdir()) == [goal, link, pipe]


def test_an_interrupted_plan_is_no_finished_one(plan, tmp_path):
    for interrupted in (False, True):
        shutil.copy(plan, tmp_path / 'plan.h5')
        with h5py.File(tmp_path / 'plan.h5', 'a') as f:
            provenance = json.loads(f['provenance'][()]) | {'interrupted': interrupted}
            del f['provenance']
            f['provenance'] = json.dumps(provenance)
        assert make(tmp_path / 'plan.h5', tmp_path / 'report.html') == 0
        assert ('NOT a finished plan: its search was interrupted' in (tmp_path / 'report.html').read_text()) == interrupted


@pytest.fixture(scope='module')
def plan(tmp_path_factory):
    """The lumbar case with a made-up dose, and a structure whose name is an attack."""
    folder = tmp_path_factory.mktemp('plan')
    write_fake_plan(ROOT / 'tests' / 'data' / 'lumbar.h5', folder / 'plan.h5')
    with h5py.File(folder / 'plan.h5', 'a') as f:
        evil = EVIL.replace('/', '')  # HDF5 keeps the slash for itself
        f.move('structures/aorta', f'structures/{evil}')
        f.move('dvh/aorta', f'dvh/{evil}')
        evaluation = json.loads(f['evaluation'][()])
        for s in evaluation['structures']:
            s['name'] = evil if s['name'] == 'aorta' else s['name']
        del f['evaluation']
        f['evaluation'] = json.dumps(evaluation)
    return folder / 'plan.h5'


@pytest.fixture(scope='module')
def page(plan):
    out = plan.with_name('report.html')
    assert make(plan, out, '--title', f'A {EVIL} plan') == 0
    return out


@pytest.fixture(scope='module')
def seen(page, tmp_path_factory):
    if not BROWSER:
        pytest.skip('no Chromium: scripts/setup test installs it on Debian; on Ubuntu: snap install chromium')
    dom, console = open_in_browser(page, tmp_path_factory.mktemp('profile'))
    found = re.search(r'data-selfcheck="([^"]*)"', dom)
    assert found, f'the page left no self-check; console: {console}'
    return {**json.loads(html.unescape(found.group(1))), 'dom': dom, 'console': console}


def test_page_is_one_small_file_that_asks_for_nothing(page):
    text = page.read_text()

    assert len(text) < 15e6
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:|//)', text)
    assert "default-src 'none'" in text


def test_page_says_what_it_is_not(page):
    text = page.read_text()

    assert 'Research software, not a medical device' in text
    assert 'independent verification' in text
    assert 'Fluence plan: not deliverable' in text


def test_deliverable_technique_does_not_say_fluence(plan, tmp_path):
    write_fake_plan(ROOT / 'tests' / 'data' / 'lumbar.h5', tmp_path / 'plan.h5', technique='vmat')

    assert make(tmp_path / 'plan.h5', tmp_path / 'report.html') == 0

    assert 'not deliverable' not in (tmp_path / 'report.html').read_text()


def test_a_plan_in_monitor_units_shows_where_its_apertures_are_open(plan, tmp_path):
    write_fake_plan(ROOT / 'tests' / 'data' / 'lumbar.h5', tmp_path / 'plan.h5', technique='imrt', n_beams=2)
    leaves = np.zeros((4, 2, 3))
    leaves[0:2, :, 0] = -20.0, -5.0  # 30 MU, the first pair: y from -15 to -5 mm
    leaves[2:4, :, 2] = 0.0, 10.0    # 70 MU, the third: y from 5 to 15 mm
    with h5py.File(tmp_path / 'plan.h5', 'a') as f:
        for name in ('bixel_x_mm', 'bixel_y_mm', 'weights'):
            del f[f'beams/1/{name}']
        b = f['beams/1']
        for name in ('gantry_deg', 'collimator_deg', 'couch_deg'):
            del b.attrs[name]
            b[name] = np.full(4, 40.0)
        b['cumulative_mu'], b['leaf_boundaries_mm'], b['leaves_mm'] = [0.0, 30.0, 30.0, 100.0], [-15.0, -5.0, 5.0, 15.0], leaves
        b['jaws_mm'] = np.tile([-22.0, 12.0, -15.0, 10.0], (4, 1))  # the Y jaw covers half of the third pair
        b.attrs['mu'] = 100.0
        provenance = json.loads(f['provenance'][()])
        del f['provenance']
        f['provenance'] = json.dumps({**provenance, 'delivery_seconds': 123.4})

    assert make(tmp_path / 'plan.h5', tmp_path / 'report.html') == 0

    text = (tmp_path / 'report.html').read_text()
    assert '100.0 MU' in text and '2 segments' in text and '123 s' in text
    beam = page_data(read_plan(tmp_path / 'plan.h5'))['beams'][1]
    mu = {(x, y): w for x, y, w in zip(beam['x'], beam['y'], beam['weights'])}
    assert {x for (x, y), w in mu.items() if w == 30.0} == {-18.75, -16.25, -13.75, -11.25, -8.75, -6.25}
    assert {y for (x, y), w in mu.items() if w == 30.0} == {-13.75, -11.25, -8.75, -6.25}
    assert {y for (x, y), w in mu.items() if w == 70.0} == {6.25, 8.75}
    assert {x for (x, y), w in mu.items() if w == 70.0} == {1.25, 3.75, 6.25, 8.75}
    assert set(mu.values()) == {30.0, 70.0}


def test_browser_shows_it_without_an_error(seen):
    assert seen['errors'] == []
    assert seen['console'] == []


@pytest.mark.parametrize('name', ['axial', 'sagittal', 'coronal'])
def test_slices_show_ct_and_dose_and_follow_their_slider(seen, name):
    view = seen['views'][name]

    # the body fills a third of any view; the dose and the contours are the only colours in it
    assert view['lit'] > 0.3
    assert 0.005 < view['coloured'] < 0.5
    assert view['slider_changes_picture'] and view['slider_returns']


def test_every_control_changes_the_picture(seen):
    assert seen['controls'] == {name: True for name in (
        'show-wash', 'show-lines', 'show-contours', 'show-cross', 'opacity', 'threshold', 'window', 'field', 'dvh-legend')}


def test_dose_in_the_page_is_the_dose_of_the_plan(seen, plan):
    dose = read_plan(plan).dose
    # the ball's centre lies in the target's middle; the page keeps thousandths of the maximum
    assert seen['dose_at_start_gy'] == pytest.approx(float(dose.values.max()), rel=0.05)


def test_dvh_is_drawn_and_read_under_the_pointer(seen):
    assert seen['dvh_coloured'] > 0.005
    assert re.match(r'\d+\.\d Gy \(\d+ %\)PTV\d+\.\d %', seen['dvh_hover'])


def test_every_beam_has_its_fluence_map(seen):
    assert len(seen['beams']) == 9
    assert min(seen['beams']) > 0.1


def test_names_from_the_case_are_text(seen, page):
    assert '<script>document' not in page.read_text()
    assert '<title>A &lt;script&gt;' in seen['dom']


def test_pngs_for_papers(plan, tmp_path):
    assert make(plan, tmp_path / 'report.html', '--png', tmp_path / 'png') == 0

    for name in ('views.png', 'dvh.png'):
        data = (tmp_path / 'png' / name).read_bytes()
        assert data.startswith(b'\x89PNG') and len(data) > 20000


def test_a_report_never_takes_the_plans_place(plan, capsys):
    before = plan.read_bytes()
    assert make(plan, plan) == 2
    assert 'is read from and would be written over; name another output' in capsys.readouterr().err
    assert plan.read_bytes() == before


@pytest.mark.parametrize('content, sentence', [
    (None, 'No such file'), (b'no HDF5', 'file signature not found'), ('empty', 'has no /dose/dose_gy: it is no plan')])
def test_what_is_no_plan_is_refused(tmp_path, capsys, content, sentence):
    path = tmp_path / 'plan.h5'
    if content == 'empty':
        h5py.File(path, 'w').close()
    elif content:
        path.write_bytes(content)

    assert make(path, tmp_path / 'report.html') == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'report.html').exists()
