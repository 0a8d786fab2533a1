"""A case of a few thousand voxels that is planned in well under a second: a body of water, a target round a cord."""
import numpy as np

from case_file import Case, Structure, write_case

# coarse: what these tests are about is not the dose
PLAN_OPTIONS = ['--grid-mm', '10', '--bixel-mm', '10', '--beams', '140,180,220']


def write_small_case(path, seed=0):
    """seed: another noise, and so another plan."""
    shape, spacing, origin = (12, 14, 18), np.array([8.0, 9.0, 10.0]), np.array([-70.0, -60.0, 20.0])
    hu = np.random.default_rng(seed).integers(-30, 30, shape).astype(np.int16)
    body = np.zeros(shape, np.uint8)
    body[1:-1, 2:-2, 2:-2] = 1
    hu[body == 0] = -1000
    target, cord = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    target[4:8, 5:8, 7:12] = 1
    cord[2:10, 10:11, 8:10] = 1
    structures = [Structure('External', 'external', mask=body), Structure('PTV', 'ptv', mask=target),
                  Structure('SpinalCord', 'cord', mask=cord)]
    write_case(Case(hu, spacing, origin, structures=structures,
                    prescription={'dose_gy': 24.0, 'fractions': 2, 'target': 'PTV', 'protocol': 'sc24-24gy-2fx'}), path)
