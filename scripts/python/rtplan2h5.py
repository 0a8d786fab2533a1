"""Makes a plan file (docs/plan-format.md) of the beams of a DICOM RTPLAN: step-and-shoot, dynamic, arcs or static.

The plan has no dose: give it to spineplan dose with the case. Monitor units are those of one fraction, as in the RTPLAN.

example: scripts/rtplan2h5 RP.dcm --case case.h5 -o plan.h5
"""
import argparse
import json
import pathlib
import sys

import h5py
import numpy as np

from atomic_write import keep_inputs, whole_path
from case_file import BadInput
from dicom_files import DAMAGE, damage, read_one
from dicom_plan import read_plan
from own_objects import check_own, open_file, own


def say(text):
    print(f'rtplan2h5: {text}', file=sys.stderr)


def machine_for(beam):
    """The machine file that comes nearest to what the plan says of its machine."""
    energy = int(round(beam.energy_mv)) if np.isfinite(beam.energy_mv) else 6
    return f'generic-{energy}{"fff" if beam.is_fff else "mv"}'


def technique_of(beam):
    turns = np.ptp(np.unwrap(np.radians(beam.gantry_deg))) > 1e-6 or any(t in ('CW', 'CC') for t in beam.gantry_turns[:-1])
    moves = beam.leaves_mm is not None and np.ptp(beam.leaves_mm, axis=0).max() > 1e-6
    if turns:
        return 'vmat' if moves else 'arc'
    return 'imrt' if moves else 'static'


def write_beam(group, beam, machine):
    group.attrs['technique'], group.attrs['machine'] = technique_of(beam), machine
    group.attrs['name'], group.attrs['imported_machine'] = beam.name, beam.machine
    group.attrs['isocentre_mm'], group.attrs['sad_mm'] = beam.isocentre_mm, beam.sad_mm
    group.attrs['energy_mv'], group.attrs['flattening_filter'] = beam.energy_mv, np.uint8(not beam.is_fff)
    group.attrs['mu'] = beam.mu
    if np.isfinite(beam.beam_dose_gy):
        group.attrs['beam_dose_gy'] = beam.beam_dose_gy
    for name in ('gantry_deg', 'collimator_deg', 'couch_deg', 'jaws_mm', 'cumulative_mu'):
        group.create_dataset(name, data=np.asarray(getattr(beam, name), float))
    # which way the gantry goes to the next control point: 1 clockwise, -1 counter-clockwise, 0 stands
    group.create_dataset('gantry_turn', data=np.array([{'CW': 1, 'CC': -1}.get(t, 0) for t in beam.gantry_turns], np.int8))
    if beam.leaves_mm is not None:
        leaves = group.create_dataset('leaves_mm', data=beam.leaves_mm, compression='gzip', shuffle=True)
        leaves.attrs['axis'] = beam.leaf_axis
        group.create_dataset('leaf_boundaries_mm', data=beam.leaf_boundaries_mm)


def write_plan(path, beams, prescription, machine, case_path, source):
    with whole_path(path) as temporary, h5py.File(temporary, 'w', track_order=True) as f:
        f.attrs['format'], f.attrs['version'] = 'spineplan-plan', np.uint32(1)
        f.attrs['technique'], f.attrs['machine'] = 'imported', machine or machine_for(beams[0])
        for i, beam in enumerate(beams):
            write_beam(f.create_group(f'beams/{i}'), beam, machine or machine_for(beam))
        if case_path:
            with open_file(case_path) as case:
                own(case, 'ct/hu')
                check_own(case)
                group = f.create_group('case')
                for name in case:
                    if name != 'beams':
                        case.copy(name, group)
                for key, value in case.attrs.items():
                    group.attrs[key] = value
            for name in ('ct', 'structures', 'prescription'):
                if name in group:
                    f[name] = group[name]
        if 'prescription' not in f and prescription:
            f.create_group('prescription').attrs.update(prescription)
        f['provenance'] = json.dumps({'version': 'rtplan2h5', 'source': source})


def main():
    parser = argparse.ArgumentParser(prog='rtplan2h5', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rtplan', type=pathlib.Path, metavar='RTPLAN')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path, metavar='PLAN')
    parser.add_argument('--case', type=pathlib.Path, metavar='CASE', help='case to carry along (CT, structures)')
    parser.add_argument('--machine', metavar='NAME', help='machine file to plan with (default: by the energy)')
    parser.add_argument('--group', type=int, metavar='N', help='fraction group, where there are several')
    args = parser.parse_args()
    try:
        keep_inputs(args.output, args.rtplan, args.case)
        d = read_one(args.rtplan, 'RTPLAN')
        beams, prescription, position, left_out = read_plan(d, args.group)
        write_plan(args.output, beams, prescription, args.machine, args.case, 'DICOM RTPLAN')
    except (BadInput, OSError) as e:
        say(str(e))
        return 2
    except DAMAGE as e:
        say(damage(args.rtplan, e))
        return 2
    for text in left_out:
        say(f'left out beam {text}: not a treatment beam of this fraction group')
    for beam in beams:
        for text in beam.warnings:
            say(text)
        say(f'{technique_of(beam):7s} {beam.name}: {len(beam.gantry_deg)} control points, {beam.mu:.1f} MU, '
            f'{beam.energy_mv:g} MV{" FFF" if beam.is_fff else ""}, gantry {beam.gantry_deg[0]:g} to {beam.gantry_deg[-1]:g}')
    if position:
        say(f'the plan is for a patient in position {position}')
    say(f'wrote {args.output}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
