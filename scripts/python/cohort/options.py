"""Options of `spineplan plan` and `spineplan dose` that go through scripts/cohort and scripts/slurm."""
import os
import pathlib
import re

from case_file import BadInput

MOST_TEXT = 1 << 20  # protocols and machines are far smaller
# of `spineplan plan` and `spineplan dose`: what the cohort sets itself, or what would not let it read the results
OWN_OPTIONS = ('-o', '--output', '--device', '--json', '--require-limits', '--help', '-h', '--resume', '--parts')


def own_option(option):
    """The one that this spells: getopt_long takes any beginning of a long name, and a value right after a short one."""
    name = option.split('=')[0]
    if re.match('--.', name):
        return next((o for o in OWN_OPTIONS if o.startswith(name)), None)
    return next((o for o in OWN_OPTIONS if len(o) == 2 and option.startswith(o)), None)


def files_named(options):
    """Files that options name (`--machine FILE` or `--machine=FILE`), and those that a text file of these names in turn, as a
    machine names its leaves."""
    left = [value for option in options for value in (option, option.partition('=')[2]) if value]
    found = []
    while left:
        path = left.pop(0)
        if path in found or not os.path.isfile(path):
            continue
        found.append(path)
        if os.path.getsize(path) > MOST_TEXT:
            continue
        try:
            text = pathlib.Path(path).read_text(encoding='utf-8')
        except ValueError:
            continue  # no text: HDF5
        for line in text.splitlines():
            values = [line.split(' #')[0], *re.split(r'[\[\]{},]|:\s|-\s', line.split(' #')[0])]
            values += [line.split(' #')[0].partition(': ')[2]]
            for value in filter(None, (v.strip().strip('"\'') for v in values)):
                left += [value, os.path.join(os.path.dirname(path), value)]
    return found


def check_options(options, what):
    for option in options:
        name = own_option(option)
        if name:
            raise BadInput(f'{name} is not for the options of spineplan {what}: the cohort sets it where it needs it')


def option_value(options, name, shortest):
    """The last value of a long option in any spelling that getopt_long takes (shortest: its least beginning that no other
    option of the program has); None where it is not given."""
    value = None
    for word, after in zip(options, [*options[1:], None]):
        spelled, equals, given = word.partition('=')
        if spelled.startswith(shortest) and name.startswith(spelled):
            value = given if equals else after
    return value
