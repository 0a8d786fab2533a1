"""A stand-in for spineplan that plans in no time, for tests of what is around it: it copies plan.h5 or dose.h5 of a folder."""
import contextlib
import io
import json
import os
import pathlib
import signal
import sys
from types import SimpleNamespace
from unittest import mock

import h5py

import make_cohort

ROOT = pathlib.Path(__file__).resolve().parents[2]

# exits: a status a call, the first at the head; without a line left it succeeds
SCRIPT = """#!/bin/sh
here=$(dirname "$0")
[ "$1" = devices ] && { cat "$here/devices.json"; exit 0; }
echo "$@" >> "$here/calls"
[ -e "$here/waits" ] && exec sleep 60
out= take=
for word; do
    [ "$take" ] && out=$word
    take=; [ "$word" = -o ] && take=1
done
code=$(head -n 1 "$here/exits" 2> /dev/null)
[ -z "$code" ] || sed -i 1d "$here/exits"
case ${code:-0} in 0|1) if [ "$1" = merge ]; then cat "$2" > "$out"; else cat "$here/$1.h5" > "$out"; fi ;; esac
[ "${code:-0}" = 0 ] || echo "$1: exit status $code" >&2
exit ${code:-0}
"""


class FakeProgram:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.path = self.folder / 'spineplan'
        self.path.write_text(SCRIPT)
        self.path.chmod(0o755)
        self.set_devices(1)
        self.set_plan()
        with h5py.File(self.folder / 'dose.h5', 'w') as f:
            f['provenance'] = json.dumps({'mean_sigma_percent': 0.7})

    def set_devices(self, n):
        (self.folder / 'devices.json').write_text(json.dumps({'devices': [{'index': i, 'type': 'CPU'} for i in range(n)]}))

    def set_plan(self, dose_gy=24.0, **evaluation):
        with h5py.File(self.folder / 'plan.h5', 'w') as f:
            f['evaluation'] = json.dumps({'prescription': {'dose_gy': dose_gy}, **evaluation})
            f['provenance'] = json.dumps({'engine': 'pencil', 'device': 'fake-0 & more', 'matrix_seconds': 1.25})

    def set_exits(self, *codes):
        (self.folder / 'exits').write_text(''.join(f'{code}\n' for code in codes))

    def wait(self, waits=True):
        (self.folder / 'waits').touch() if waits else (self.folder / 'waits').unlink()

    def calls(self, what):
        """Those since the last time that this was asked for."""
        path = self.folder / 'calls'
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text(''.join(f'{line}\n' for line in lines if line.split()[0] != what))
        return [line for line in lines if line.split()[0] == what]

    def environment(self):
        return os.environ | {'SPINEPLAN': str(self.path)}

    def command(self, script, *words):
        return [sys.executable, str(ROOT / 'scripts' / 'python' / script), *map(str, words)]

    def cohort(self, cases, out, *options, plan=()):
        """scripts/cohort in this process, which is ten times as fast; without reports, which take seconds."""
        said = io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        command = self.command('make_cohort.py', cases, '-o', out, '--no-report', *options, '--', *plan)
        try:
            with mock.patch.object(sys, 'argv', command[1:]), mock.patch.dict(os.environ, self.environment()), \
                    contextlib.redirect_stderr(said):
                code = make_cohort.main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return SimpleNamespace(returncode=code, stderr=said.getvalue())


def make_cases(folder, *names):
    """Contents do not matter to the fake, but for being different."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f'{name}.h5').write_bytes(name.encode())
    return folder
