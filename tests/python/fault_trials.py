"""Trials of what may befall a run: killed at any moment, or the n-th allocation, write or OpenCL call fails. After each
one there is either an error and no new file, or the right bits; and the same command then gives the right bits.

    scripts/try-faults            50 kills of each command, and calls that fail at each place of the program (about an hour)
    scripts/try-faults --kills 5 --of-each 1 --only merge
"""
import argparse
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'scripts' / 'python'), str(ROOT / 'tests' / 'python')]

import h5py  # noqa: E402
from small_case import PLAN_OPTIONS, write_small_case  # noqa: E402

SPINEPLAN = os.environ.get('SPINEPLAN', str(ROOT / 'build' / 'spineplan'))
SHIM = pathlib.Path(SPINEPLAN).resolve().parent / 'tests' / 'libfaults.so'
KINDS = ('ALLOC', 'IO', 'CL')
# 0: what failed could be done without (a checkpoint, the cache of programs); 2: input or disk; 3: device or memory
ALLOWED_EXITS = (0, 2, 3)


def bits(path):
    """Hash of every number that is a result."""
    digest = hashlib.sha256()
    with h5py.File(path) as f:
        names = []
        f.visititems(lambda name, o: names.append(name) if isinstance(o, h5py.Dataset) and o.dtype.kind in 'iuf' else None)
        assert names
        for name in sorted(names):
            digest.update(name.encode() + f[name][()].tobytes())
    return digest.hexdigest()


class Command:
    """One command of spineplan with its output, and the bits that it should have."""

    def __init__(self, name, folder, arguments, resumed=()):
        self.name, self.folder, self.output = name, folder, folder / f'{name}.h5'
        self.arguments = [SPINEPLAN, *map(str, arguments), '-o', str(self.output)]
        self.resumed = list(resumed)
        self.run_whole()  # with kernels to build
        began = time.monotonic()
        self.run_whole()
        self.seconds = time.monotonic() - began
        self.bits = bits(self.output)

    def run_whole(self):
        done = self.run()
        assert done.returncode == 0, done.stderr

    def run(self, *more, **environment):
        return subprocess.run([*self.arguments, *more], capture_output=True, text=True, check=False, timeout=300,
                              env=os.environ | environment)

    def clear(self):
        for path in self.folder.glob(f'{self.name}.h5*'):
            path.unlink()

    def check_output(self, what):
        """Nothing, or the whole of it."""
        if self.output.exists():
            assert bits(self.output) == self.bits, f'{self.name}: {what} left a wrong file'
            return True
        return False

    def recovers(self, what):
        done = self.run(*self.resumed)
        assert done.returncode == 0, f'{self.name} after {what}: {done.stderr}'
        assert bits(self.output) == self.bits, f'{self.name} after {what}: other bits'


OTHER_PLANS = {'imrt': ['--technique', 'imrt'], 'vmat': ['--technique', 'vmat', '--arcs', '1'],
               'mc': ['--engine', 'mc', '--bixel-uncertainty', '40%', '--uncertainty', '20%'], 'robust': ['--robust', '3mm']}


def commands(folder, only=None):
    """plan, dose and merge of a small case; quick, and long enough to be hit at many places. only: these, other plans too."""
    case = folder / 'case.h5'
    write_small_case(case, seed=1)
    others = [Command(name, folder, ['plan', case, *PLAN_OPTIONS, *options]) for name, options in OTHER_PLANS.items()
              if name in (only or ())]
    if others and len(others) == len(only):
        return others
    plan = Command('plan', folder, ['plan', case, *PLAN_OPTIONS])
    os.rename(plan.output, folder / 'kept.h5')
    options = ['--engine', 'mc', '--histories', '24000', '--batch-histories', '1024']
    dose = Command('dose', folder, ['dose', case, folder / 'kept.h5', *options, '--checkpoint', '0.02'], ['--resume'])
    parts = []
    for i in range(1, 4):
        parts.append(folder / f'part{i}.h5')
        subprocess.run([SPINEPLAN, '-q', 'dose', case, folder / 'kept.h5', '-o', parts[-1], *options, '--parts', f'{i}/3'],
                       check=True)
    merge = Command('merge', folder, ['merge', *parts])
    assert merge.bits == dose.bits
    return others + [c for c in (plan, dose, merge) if not only or c.name in only]


def kill_at_random(command, chance, first=True, last=True):
    """An old file under the name stays whole; the new one takes its place whole.

    first: of a chain of killed runs, of which each begins with what the one before left; last: then one runs to its end.
    """
    old = chance.random() < 0.5
    if first:
        command.clear()
    if old:
        command.output.write_bytes(b'old')
    moment = chance.uniform(0.0, 1.1) * command.seconds
    with subprocess.Popen([*command.arguments, *(() if first else command.resumed)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    what = f'a kill after {moment:.3f} s'
    if old and command.output.read_bytes() == b'old':
        command.output.unlink()
    else:
        command.check_output(what)
    if last:
        command.recovers(what)
    return command.name + ': ' + what


def kill_in_chains(command, chance, kills, of=5):
    """Kills at random moments in chains of so many; the run after each chain has the right bits."""
    for i in range(kills):
        yield kill_at_random(command, chance, i % of == 0, i % of == of - 1 or i == kills - 1)


def count_calls(command):
    """By kind the numbers of the calls from each place, {'ALLOC': [[1, 7], [2], ...], ...}."""
    counts = command.folder / 'counts'
    command.clear()
    done = command.run(LD_PRELOAD=str(SHIM), SP_FAULT_COUNT=str(counts))
    assert done.returncode == 0, done.stderr
    command.check_output('counting')
    places = {kind: {} for kind in KINDS}
    for line in counts.read_text().splitlines():
        kind, n, place = line.split()
        places[kind].setdefault(place, []).append(int(n))
    return {kind: list(by_place.values()) for kind, by_place in places.items()}


def of_each_place(places, most, chance):
    """The first call from each place, and others by chance."""
    return sorted(n for calls in places for n in calls[:1] + chance.sample(calls[1:], min(len(calls) - 1, most - 1)))


def fail_one(command, kind, n, stays=False):
    command.clear()
    what = f'{kind} {n}' + (' and after' if stays else '')
    done = command.run(LD_PRELOAD=str(SHIM), **{f'SP_FAULT_{kind}': str(n)}, **({'SP_FAULT_STAYS': '1'} if stays else {}))
    assert done.returncode in ALLOWED_EXITS, f'{command.name}, {what}: exit {done.returncode}: {done.stderr[-500:]}'
    whole = command.check_output(what)
    if done.returncode == 0:
        assert whole, f'{command.name}, {what}: says done, and there is no file'
    else:
        # one sentence; the log of a failed build may follow it
        said = [line for line in done.stderr.splitlines() if line.startswith(f'spineplan {command.arguments[1]}: ')]
        assert len(said) == 1, f'{command.name}, {what}: says {done.stderr[-500:]!r}'
    left = [p.name for p in command.folder.glob(f'{command.name}.h5.tmp*')]
    assert not left, f'{command.name}, {what}: left {left}'
    if kind == 'IO' or command.output.with_name(command.output.name + '.checkpoint').exists():
        command.recovers(what)
    return f'{command.name}: {what}: exit {done.returncode}'


def main():
    parser = argparse.ArgumentParser(prog='try-faults', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=50, metavar='N')
    parser.add_argument('--of-each', type=int, default=2, metavar='N',
                        help='how many of the calls from one place, told by all of its callers, are made to fail (default 2)')
    parser.add_argument('--only', action='append', choices=['plan', 'dose', 'merge', *OTHER_PLANS], help='this; any number of times')
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    chance, failures = random.Random(args.seed), 0
    print(f'try-faults: seed {args.seed}')
    with tempfile.TemporaryDirectory() as folder:
        for command in commands(pathlib.Path(folder), args.only):
            trials = [(kill_at_random, (command, chance))] * args.kills
            for kind, places in count_calls(command).items():
                # a full disk is tried at each call, since there are few
                numbers = of_each_place(places, args.of_each if kind != 'IO' else sys.maxsize, chance)
                print(f'{command.name}: {kind}: {sum(map(len, places))} calls from {len(places)} places, {len(numbers)} tried')
                trials += [(fail_one, (command, kind, n)) for n in numbers]
                if kind == 'IO':
                    trials += [(fail_one, (command, kind, n, True)) for n in numbers]
            for trial, arguments in trials:
                try:
                    print(trial(*arguments), flush=True)
                except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
                    failures += 1
                    print(f'FAILED {e}', flush=True)
    print(f'try-faults: {failures} failed')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
