"""Makes engine/pencil/kernels/single-photons.csv and single-electrons.csv, of which the pencil beam superposes the
kernels of a machine whose file says "kernel: superposed".

Photons: pencil kernels of each energy by `spineplan kernels`. Electrons: depth doses of broad beams by Monte Carlo, in
voxels of 20 x 20 x 1 mm, mean of the middle 120 mm of a field of 200 mm. What a folder already holds of an earlier run
is taken as it is, so that an interrupted run goes on.

example: scripts/single-kernels --folder single -o engine/pencil/kernels
"""
import argparse
import os
import pathlib
import subprocess
import sys

import h5py
import numpy as np

from atomic_write import whole_file
from case_file import BadInput

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTONS_MEV = (0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 13, 17, 22, 28)
ELECTRONS_MEV = (0.25, 0.35, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 28)
FIELD_MM, MIDDLE, DEPTH_MM, ELECTRON_SIGMA_MM = 200, 6, 200, 5


def run(*arguments):
    program = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadInput((done.stderr.strip().splitlines() or ['no word'])[-1])


def photons(folder, histories):
    rows, header = [], None
    for mev in PHOTONS_MEV:
        table = folder / f'k{mev:g}.csv'
        if not table.exists():
            spectrum = folder / f's{mev:g}.csv'
            spectrum.write_text(f'E_low_MeV,E_high_MeV,probability\n{mev * 0.9999:.6f},{mev * 1.0001:.6f},1\n')
            print(f'photons of {mev:g} MeV', file=sys.stderr)
            run('kernels', '--spectrum', spectrum, '--histories', histories, '--seed', 1, '-o', table)
        lines = [line for line in table.read_text().splitlines() if not line.startswith('#')]
        header = lines[0].split(',')[2:]
        for line in lines[1:]:
            depth, _, *weights = line.split(',')
            rows.append(f'{mev:g},{depth},{",".join(weights)}')
    return f'''# Pencil kernels in water of photons of single energies: dose of a pencil of one photon as a sum of Gaussians, Gy cm2,
# by depth; columns: their standard deviations in mm. Made by
# scripts/single-kernels --histories {histories} -o engine/pencil/kernels
energy_mev,depth_mm,{','.join(header)}
''' + '\n'.join(rows) + '\n'


def electrons(folder, histories):
    water, rows = folder / 'water.h5', []
    for mev in ELECTRONS_MEV:
        dose = folder / f'e{mev:g}.h5'
        if not dose.exists():
            if not water.exists():
                run('phantom', 'slabs', '-o', water, '--voxel-mm', '20x20x1', '--size-mm', '240x240', '--layer',
                    f'water:{DEPTH_MM}')
            print(f'electrons of {mev:g} MeV', file=sys.stderr)
            run('dose', water, '-o', dose, '--source', 'parallel', '--particle', 'electron', '--field-mm', FIELD_MM,
                '--energy-mev', mev, '--histories', histories, '--seed', 1)
        with h5py.File(dose) as f:
            d = f['dose/dose_gy_per_particle'][:]
        first = (d.shape[1] - MIDDLE) // 2
        curve = d[:, first:first + MIDDLE, first:first + MIDDLE].mean(axis=(1, 2)) * (FIELD_MM / 10) ** 2
        # Voxels' middles are half a millimetre off whole depths; the surface continues the first two.
        depth = np.arange(len(curve)) + 0.5
        whole = np.arange(len(curve))
        curve = np.interp(whole, depth, curve)
        curve[0] = max(0.0, 2 * curve[1] - curve[2])
        beyond = 0.7 * mev * 10 + 4  # no electron gets that far (mm): what is there is bremsstrahlung
        curve[whole > beyond] = 0.0
        rows += [f'{mev:g},{z},{v:.5e}' for z, v in zip(whole, curve, strict=True)]
    return f'''# Depth doses in water of broad parallel beams of electrons of single energies, Gy for one electron per cm2. The width
# of {ELECTRON_SIGMA_MM} mm stands for their scattering. Made by
# scripts/single-kernels --electrons {histories} -o engine/pencil/kernels
energy_mev,depth_mm,{ELECTRON_SIGMA_MM}
''' + '\n'.join(rows) + '\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--folder', type=pathlib.Path, default=pathlib.Path('single-kernels'), help='for what each energy gives')
    parser.add_argument('--histories', type=int, default=300000, help='photons of each energy')
    parser.add_argument('--electrons', type=int, default=200000, help='electrons of each energy')
    parser.add_argument('-o', '--output', type=pathlib.Path, required=True, help='folder of the two tables')
    args = parser.parse_args()
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
        for name, table in (('electrons', electrons(args.folder, args.electrons)), ('photons', photons(args.folder, args.histories))):
            with whole_file(args.output / f'single-{name}.csv') as f:
                f.write(table.encode())
    except (BadInput, OSError) as e:
        print(f'single-kernels: {e}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
