"""Counts what the test programs and pytest ran, from meson's and pytest's own logs, and ends on one plain line.

A cmocka program counts each of its tests; any other program counts as one.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

CMOCKA = (('passed', r'^\[\s+OK\s+\]'), ('failed', r'^\[\s+FAILED\s+\] (?!\d+ test)(?=.)'),
          ('skipped', r'^\[\s+SKIPPED\s+\] (?!\d+ test)(?=.)'))
MESON = {'OK': 'passed', 'EXPECTEDFAIL': 'passed', 'SKIP': 'skipped'}


def count_meson(log, total):
    if not log.exists():
        return
    for line in log.read_text().splitlines():
        run = json.loads(line)
        text = run.get('stdout', '') + '\n' + run.get('stderr', '')
        verdict = MESON.get(run['result'], 'failed')
        found = {}
        for kind, pattern in CMOCKA:
            # cmocka names a test that did not pass twice, the second time in its summary
            names = re.findall(pattern + r'\s*(.*)$', text, re.MULTILINE)
            found[kind] = len(names if kind == 'passed' else set(names))
        if verdict == 'failed':
            found['failed'] = max(found['failed'], 1)  # a crash leaves no line of its own
        elif not any(found.values()):
            found[verdict] = 1
        for kind, n in found.items():
            total[kind] += n


def count_pytest(log, total):
    if not log.exists():
        return
    for suite in xml.etree.ElementTree.parse(log).getroot().iter('testsuite'):
        n = {key: int(suite.get(key, 0)) for key in ('tests', 'failures', 'errors', 'skipped')}
        bad = n['failures'] + n['errors']
        total['failed'] += bad
        total['skipped'] += n['skipped']
        total['passed'] += n['tests'] - bad - n['skipped']


def main():
    total = {'passed': 0, 'failed': 0, 'skipped': 0}
    for folder in map(pathlib.Path, sys.argv[1:]):
        count_meson(folder / 'meson-logs' / 'testlog.json', total)
        count_pytest(folder / 'pytest.xml', total)
    print(f'{total["passed"]} passed, {total["failed"]} failed, {total["skipped"]} skipped')
    return 1 if total['failed'] or not total['passed'] else 0


if __name__ == '__main__':
    sys.exit(main())
