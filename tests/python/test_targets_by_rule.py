"""Targets made of a vertebral body have the margin that was asked for and keep off the cord."""
import numpy as np
import pytest

from case_file import BadInput, Case, Structure
from polygon_fill import coverage
from rule_target import make_target

SPACING = np.array([2.5, 2.0, 3.0])
ORIGIN = np.array([-40.0, 30.0, -12.0])
CENTRE = np.array([-5.0, 60.0])
BODY_R, CORD_R = 15.0, 5.0
CORD = CENTRE + (2.0, 22.0)


def circle(centre, r, z, n=90):
    t = 2 * np.pi * np.arange(n) / n
    return np.column_stack([centre[0] + r * np.cos(t), centre[1] + r * np.sin(t), np.full(n, z)])


def vertebra_case():
    case = Case(np.zeros((9, 36, 30), np.int16), SPACING, ORIGIN)
    z = case.slice_positions_mm()
    case.structures = [Structure('VB', 'organ', polygons=[circle(CENTRE, BODY_R, v) for v in z[2:6]]),
                       Structure('cord', 'cord', polygons=[circle(CORD, CORD_R, v) for v in z])]
    return case


def area_mm2(polygons):
    return sum(abs(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) / 2 for p in polygons)


def on_slice(s, z):
    return [p for p in s.polygons if abs(p[0, 2] - z) < 0.01]


def test_ctv_is_the_structure():
    case = vertebra_case()
    make_target(case, 'VB', say=lambda text: None)
    z = case.slice_positions_mm()

    ctv = case.find('CTV')

    assert sorted({p[0, 2] for p in ctv.polygons}) == pytest.approx(list(z[2:6]))
    # a raster of 0.5 mm: a tenth of a millimetre in radius on a circle of this size is 1.4 %
    assert area_mm2(on_slice(ctv, z[3])) == pytest.approx(np.pi * BODY_R**2, rel=0.015)


@pytest.mark.parametrize('margin', [2.0, 5.0])
def test_ptv_is_the_margin_wider_and_two_mm_off_the_cord(margin):
    case = vertebra_case()
    make_target(case, f'VB:{margin}', say=lambda text: None)
    z = case.slice_positions_mm()

    ptv = on_slice(case.find('PTV'), z[4])

    points = np.concatenate(ptv)[:, :2]
    # a voxel of the 0.5 mm raster, half on either surface
    assert np.hypot(*(points - CENTRE).T).max() == pytest.approx(BODY_R + margin, abs=0.5)
    assert np.hypot(*(points - CORD).T).min() == pytest.approx(CORD_R + 2.0, abs=0.5)
    assert case.prescription['target'] == 'PTV'
    # 3 mm slices: a margin of 2 mm reaches the middle of the next slice, 1.5 mm beyond the last one's edge
    assert on_slice(case.find('PTV'), z[6]) and not on_slice(case.find('PTV'), z[8])


def test_unknown_structure_and_bad_margin_are_refused():
    with pytest.raises(BadInput, match='there is no structure "L3"; the case has VB, cord'):
        make_target(vertebra_case(), 'L3', say=lambda text: None)
    with pytest.raises(BadInput, match='"wide" is no margin'):
        make_target(vertebra_case(), 'VB:wide', say=lambda text: None)


def test_coverage_of_a_ring_is_its_area_and_place():
    outer, inner = circle((3.3, -7.1), 9.0, 0, 400), circle((4.0, -6.5), 4.0, 0, 400)

    pixels = coverage([outer, inner], -10.0, 1.3, 22, -19.0, 0.7, 36)

    expected = np.pi * (9.0**2 - 4.0**2)
    # four sample lines a pixel
    assert pixels.sum() * 1.3 * 0.7 == pytest.approx(expected, rel=0.002)
    x = (pixels.sum(0) * (-10.0 + 1.3 * np.arange(22))).sum() / pixels.sum()
    y = (pixels.sum(1) * (-19.0 + 0.7 * np.arange(36))).sum() / pixels.sum()
    assert x == pytest.approx((81 * 3.3 - 16 * 4.0) / 65, abs=0.02)
    assert y == pytest.approx((81 * -7.1 - 16 * -6.5) / 65, abs=0.02)


def test_coverage_clips_what_sticks_out():
    square = np.array([[-5.0, -5.0], [1.5, -5.0], [1.5, 1.5], [-5.0, 1.5]])

    assert coverage([square], 0.0, 1.0, 4, 0.0, 1.0, 3) == pytest.approx(
        np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]))
