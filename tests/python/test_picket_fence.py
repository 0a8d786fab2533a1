"""Picket fence by the pencil beam: what a physicist finds with a detector in water is what the leaf file says."""
import json
import re
import sys

import pytest

import picket_fence


def measure(monkeypatch, capsys, path, *arguments):
    monkeypatch.setattr(sys, 'argv', ['picket-fence', '-o', str(path), *arguments])
    status = picket_fence.main()
    said = capsys.readouterr()
    assert status == 0, said.err
    return json.loads(said.out)


def leaf_file(name):
    """Its strip of tongue and groove, and its row for 6 MV with a flattening filter."""
    text = picket_fence.named_file('mlc', name)
    row = re.search(r'energy_mv: 6, flattened: true, transmission: (\S+), leaf_gap_mm: ([^}]+)}', text)
    values = [float(re.search(rf'^{key}:\s*(\S+)', text, re.MULTILINE)[1])
              for key in ('tongue_mm', 'interleaf_transmission')]
    return (*values, float(row[1]), float(row[2]))


@pytest.mark.parametrize('name', ['millennium-120', 'hd120'])
def test_the_fence_shows_what_the_leaf_file_says(monkeypatch, capsys, tmp_path, name):
    tongue, interleaf, transmission, gap = leaf_file(name)
    found = measure(monkeypatch, capsys, tmp_path / 'fence.png', '--mlc', name)
    # The narrow leaves of the middle have more strips between them than the mean of all, by 1 to 2 %;
    # counting a strip of 0.4 mm as 0.5 mm adds 1.5 %.
    assert found['transmission'] == pytest.approx(transmission, rel=0.04)
    # What 0.5 % of the dose of the smaller gap amounts to.
    assert found['leaf_gap_mm'] == pytest.approx(gap, abs=0.05)
    # In each of the two fields half of the strip's height is in the way, the root of what all of it lets through.
    # The pencil beam's map has places 0.25 mm apart across the leaves, so that a strip's width is known to 0.125 mm.
    lost = tongue * (1 + transmission - 2 * (interleaf * transmission) ** 0.5)
    assert found['tongue_loss_mm'] == pytest.approx(lost, abs=0.125 * lost / tongue)
    assert found['seam_over_block'] < 0.98
    assert 10 < found['strip_width_mm'] < 13
    assert (tmp_path / 'fence.png').read_bytes().startswith(b'\x89PNG')


def test_a_sweep_in_one_step_is_one_in_many(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(picket_fence, 'SWEEP_POINTS', 2)
    found = measure(monkeypatch, capsys, tmp_path / 'fence.png')
    # Moments of the sweep are 2.5 mm apart, places in a bixel 0.5 mm: each side of a gap is known to half of that.
    assert found['leaf_gap_mm'] == pytest.approx(leaf_file('millennium-120')[3], abs=0.5)


def test_what_is_not_there_is_named(monkeypatch, capsys, tmp_path):
    for arguments, sentence in ((('--machine', 'no-such'), 'no-such'), (('--mlc', 'none'), 'none')):
        monkeypatch.setattr(sys, 'argv', ['picket-fence', '-o', str(tmp_path / 'no.png'), *arguments])
        assert picket_fence.main() == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'no.png').exists()
