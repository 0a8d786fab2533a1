"""What tells whether a result is still of the same case, options and program, and so need not be made again."""
import functools
import hashlib
import json
import mmap
import os
import subprocess
import sys

from case_file import BadInput

from .folder import ROOT, STEPS, read_record, sha256_of, stamp_of
from .options import files_named

KEY_VERSION = 3


def report_program():
    """Of what makes the reports."""
    here = ROOT / 'scripts' / 'python'
    files = [here / 'make_report.py', *sorted((here / 'report').rglob('*'))]
    return [sha256_of(p) for p in files if p.is_file() and p.suffix != '.pyc']


class Keys:
    """Hashes of all that a result depends on: the case, the options, files that they name, the program."""

    def __init__(self, settings):
        self.settings = settings
        try:
            self.program = sha256_of(settings.program)
        except OSError as e:
            raise BadInput(f'{settings.program}: {e.strerror}; scripts/build makes it') from None
        self.report = report_program()
        self.files = hashes_of(settings.plan_options)
        self.dose_files = hashes_of((settings.dose_options or []) + [settings.plan])
        self.protocols = {}

    def case_of(self, place, record):
        """The case's part of a record; that of the record while the file is the same, so that a restart reads no case again."""
        stamp = stamp_of(place.case)
        if stamp and record.get('case_stamp') == stamp and record.get('case_sha256') and 'case_protocol' in record:
            return {key: record[key] for key in ('case_sha256', 'case_stamp', 'case_protocol')}
        sha256 = sha256_of(place.case)
        return {'case_sha256': sha256, 'case_stamp': stamp,
                'case_protocol': '' if self.settings.parts else protocol_of(place.case)}

    def of(self, step, case):
        """case: what case_of gives."""
        s = self.settings
        protocol = case['case_protocol']
        if protocol not in self.protocols:
            self.protocols[protocol] = hashes_of([protocol])
        parts = [KEY_VERSION, self.program, case['case_sha256'], self.protocols[protocol], s.plan_options, self.files]
        if step in ('dose', 'part'):
            parts += [s.dose_options, self.dose_files]
        if step == 'report':
            parts.append(self.report)
        if step == 'part':
            parts += [s.plan, s.parts]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def asked(self, case):
        return {step: self.of(step, case) for step in steps_of(self.settings)}


def hashes_of(options):
    return [sha256_of(path) for path in files_named(options)]


def protocol_of(case):
    """The protocol that the case itself names, which may be a file; '' where it names none or is no case. Read in a process of
    its own, since a damaged file may end the one that reads it; not at all where the word is nowhere in the file."""
    with open(case, 'rb') as f:
        if not os.fstat(f.fileno()).st_size:
            return ''
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as contents:
            if contents.find(b'protocol') < 0:
                return ''
    read = 'import h5py, sys; sys.stdout.write(str(h5py.File(sys.argv[1])["prescription"].attrs["protocol"]))'
    said = subprocess.run([sys.executable, '-c', read, str(case)], capture_output=True, text=True, errors='replace',
                          check=False)
    return said.stdout if said.returncode == 0 else ''


@functools.lru_cache(maxsize=None)
def sha256_at(path, _stamp):
    """Read once as long as the file is the same."""
    return sha256_of(path)


def is_whole(place, step, record, key):
    """The record says that this file was made with this key, and the file is still that one."""
    made, path = record.get(step) or {}, place.result[step]
    stamp = stamp_of(path)
    if made.get('key') != key or not stamp:
        return False
    return made.get('stamp') == stamp or made.get('sha256') == sha256_at(path, tuple(stamp))


def steps_of(settings):
    if settings.parts:
        return ['part']
    return ['plan'] + ['dose'] * (settings.dose_options is not None) + ['report'] * settings.report


def whole_steps(settings, keys, place, record, case):
    """Steps whose results are there, of this case, these options and this program. A dose that is not asked for (any more)
    counts with its plan, since it goes when that is made again."""
    if settings.parts:
        return [step for step in ('part',) if is_whole(place, step, record, keys.of(step, case))]
    whole = []
    for step in ('plan', 'dose', 'report'):
        asked = step != 'dose' or settings.dose_options is not None
        key = keys.of(step, case) if asked else (record.get(step) or {}).get('key')
        if (step == 'plan' or 'plan' in whole) and is_whole(place, step, record, key):
            whole.append(step)
    return whole


def is_done(settings, keys, place):
    record = read_record(place.record) or {}
    if record.get('status') != 'done':
        return False
    try:
        case = keys.case_of(place, record)
    except OSError:
        return False
    whole = whole_steps(settings, keys, place, record, case)
    return all(step in whole for step in steps_of(settings))


def result_of(record, dose):
    """What the table shows of the plan; of its dose where that still holds."""
    return {key: value for key, value in (record.get('result') or {}).items() if dose or not key.startswith('mc_')}


def current_record(settings, keys, place):
    """The record of a case without all that is not of the case, options and program of now. Its status is 'not finished' where
    that of an earlier run does not count any more."""
    record = read_record(place.record) or {}
    if not record:
        return {}
    try:
        case = keys.case_of(place, record)
    except OSError:
        case, asked, whole = {}, record.get('asked'), []
    else:
        asked, whole = keys.asked(case), whole_steps(settings, keys, place, record, case)
    now = {key: value for key, value in record.items() if key in whole or key not in (*STEPS, 'result')} | case
    if 'plan' in whole:
        now['result'] = result_of(record, 'dose' in whole)
    missing = [step for step in steps_of(settings) if step not in whole]
    if (record.get('status') in ('running', 'submitted') or record.get('asked', asked) != asked
            or (record.get('status') == 'done' and missing)):
        now['status'] = 'not finished'
        for key in ('error', 'seconds', 'finished_utc'):
            now.pop(key, None)
    return now
