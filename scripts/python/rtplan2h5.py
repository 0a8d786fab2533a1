"""Makes a plan file (docs/plan-format.md) of the beams of a DICOM RTPLAN: step-and-shoot, dynamic, arcs or static.

The plan has no dose: give it to spineplan dose with the case. Monitor units are those of one fraction, as in the RTPLAN.

example: scripts/rtplan2h5 RP.dcm --case case.h5 -o plan.h5
         build/spineplan dose case.h5 plan.h5 -o dose.h5 --engine mc --uncertainty 1%
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
from shipped_machines import shipped_machines


def say(text):
    print(f'rtplan2h5: {text}', file=sys.stderr)


FAR_MM = 100.0  # an isocentre farther outside the CT than this belongs to another patient, or to another coordinate system


def beam_quality(beam):
    energy = f'{beam.energy_mv:g} MV' if np.isfinite(beam.energy_mv) else 'unknown energy'
    return f'{energy}{" FFF" if beam.is_fff else ""}{f" ({beam.fluence_mode})" if beam.fluence_mode else ""}'


def machine_for(beam):
    """The shipped machine of the beam's energy and filter."""
    machines = shipped_machines()
    fitting = [name for name, quality in machines.items() if quality == (beam.energy_mv, not beam.is_fff)]
    if beam.fluence_mode or len(fitting) != 1:
        there = ', '.join(f'{name} ({energy:g} MV{"" if has_filter else " FFF"})' for name, (energy, has_filter) in machines.items())
        raise BadInput(f'beam {beam.number} is of {beam_quality(beam)}; the machines here are {there}: name one, or a file of '
                       'your own, with --machine')
    return fitting[0]


def one_machine(beams, wish):
    """The machine of the plan file, which has one."""
    if wish:
        if wish not in shipped_machines() and not pathlib.Path(wish).is_file():
            raise BadInput(f'--machine {wish} is neither a file nor one of {", ".join(shipped_machines())}')
        return wish
    numbers = {}
    for beam in beams:
        numbers.setdefault(machine_for(beam), []).append(str(beam.number))
    if len(numbers) > 1:
        raise BadInput('a plan file is of one machine, but ' + '; '.join(
            f'beam {", ".join(n)}: {machine}' for machine, n in numbers.items()) + '; take those of one with --beams')
    return next(iter(numbers))


def place(beams, wish, position, case_path):
    """Moves all isocentres so that the first is at `wish`; then they have to lie near the case's CT, and the patient as in
    the plan."""
    if wish:
        shift = np.array(wish) - beams[0].isocentre_mm
        for beam in beams:
            beam.isocentre_mm = beam.isocentre_mm + shift
        say(f'isocentre moved by {" ".join(f"{v:.1f}" for v in shift)} mm')
    if not case_path:
        return
    with open_file(case_path) as case:
        hu = own(case, 'ct/hu')
        spacing, origin = (np.asarray(hu.attrs.get(k, [0, 0, 0]), float) for k in ('spacing_mm', 'origin_mm'))
        lies = hu.attrs.get('patient_position', 'HFS')
        lies = lies.decode() if isinstance(lies, bytes) else str(lies)
        size = np.array(hu.shape[::-1])
    low, high = origin - spacing / 2, origin + spacing * (size - 0.5)
    for beam in beams:
        far = np.linalg.norm(np.maximum(np.maximum(low - beam.isocentre_mm, beam.isocentre_mm - high), 0))
        if far > FAR_MM:
            raise BadInput(f'the isocentre of beam {beam.number} ({" ".join(f"{v:.1f}" for v in beam.isocentre_mm)} mm) lies '
                           f'{far:.0f} mm outside the CT of {case_path} ({" ".join(f"{v:.0f}" for v in low)} to '
                           f'{" ".join(f"{v:.0f}" for v in high)} mm): the plan is for another patient; --isocentre X,Y,Z '
                           'moves it, to compute it in a phantom')
    if position and position != lies:
        text = f'the plan is for a patient in position {position}, the CT of {case_path} lies {lies}'
        if not wish:
            raise BadInput(text + '; with --isocentre the angles are taken as they would be for the CT')
        say(text + ': angles are taken as they would be for the CT')


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
    if beam.fluence_mode:
        group.attrs['fluence_mode'] = beam.fluence_mode
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
        f.attrs['technique'], f.attrs['machine'] = 'imported', machine
        if prescription.get('fractions'):
            f.attrs['fractions'] = np.uint32(prescription['fractions'])
        for i, beam in enumerate(beams):
            write_beam(f.create_group(f'beams/{i}'), beam, machine)
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
            known = set(f['structures']) if 'structures' in f else set()
            if not {prescription.get('target'), prescription.get('boost')} <= known:  # names mean nothing without these
                prescription = {k: v for k, v in prescription.items() if k not in ('target', 'boost', 'boost_gy')}
            f.create_group('prescription').attrs.update(prescription)
        f['provenance'] = json.dumps({'version': 'rtplan2h5', 'source': source})


def list_of(text, kind, option, n=None):
    if text is None:
        return None
    try:
        values = [kind(v) for v in text.split(',')]
    except ValueError:
        values = []
    if not values or (n and len(values) != n) or not np.isfinite(values).all():
        raise BadInput(f'{option} {text}: expected {f"{n} " if n else ""}numbers with commas between them')
    return values


def main():
    parser = argparse.ArgumentParser(prog='rtplan2h5', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rtplan', type=pathlib.Path, metavar='RTPLAN')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path, metavar='PLAN')
    parser.add_argument('--case', type=pathlib.Path, metavar='CASE', help='case to carry along (CT, structures)')
    parser.add_argument('--machine', metavar='NAME|FILE', help='machine to compute with (default: by energy and filter)')
    parser.add_argument('--beams', metavar='N,...', help='numbers of the beams to take (default: all)')
    parser.add_argument('--isocentre', metavar='X,Y,Z', help='moves the plan so that its first isocentre lies there (mm), to '
                        'compute it in a phantom')
    parser.add_argument('--group', type=int, metavar='N', help='fraction group, where there are several')
    args = parser.parse_args()
    try:
        keep_inputs(args.output, args.rtplan, args.case)
        numbers, wish = list_of(args.beams, int, '--beams'), list_of(args.isocentre, float, '--isocentre', 3)
        d = read_one(args.rtplan, 'RTPLAN')
        beams, prescription, position, left_out = read_plan(d, args.group, numbers)
        machine = one_machine(beams, args.machine)
        place(beams, wish, position, args.case)
        write_plan(args.output, beams, prescription, machine, args.case, 'DICOM RTPLAN')
    except (BadInput, OSError) as e:
        say(str(e))
        return 2
    except DAMAGE as e:
        say(damage(args.rtplan, e))
        return 2
    for text in left_out:
        say(f'left out beam {text}')
    for beam in beams:
        for text in beam.warnings:
            say(text)
        say(f'{technique_of(beam):7s} {beam.name}: {len(beam.gantry_deg)} control points, {beam.mu:.1f} MU, '
            f'{beam_quality(beam)}, gantry {beam.gantry_deg[0]:g} to {beam.gantry_deg[-1]:g}, '
            f'{"no leaves" if beam.leaves_mm is None else f"{beam.leaves_mm.shape[2]} pairs of leaves"}')
    made_for = sorted({f'"{b.machine}"' if b.machine else 'a machine without name' for b in beams if b.machine != machine})
    if made_for:
        say(f'{machine} stands for the machine of the plan ({", ".join(made_for)}); it is no model of that one')
    if prescription.get('fractions'):
        say(f'{prescription["fractions"]} fractions')
    if position:
        say(f'the plan is for a patient in position {position}')
    say(f'wrote {args.output}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
