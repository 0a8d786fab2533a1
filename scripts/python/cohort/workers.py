"""Runs the cases of a cohort on this machine: so many workers a device, one display of progress."""
import json
import os
import queue
import subprocess
import sys
import threading
import time

from case_file import BadInput

from .folder import one_line
from .keys import is_done
from .program import Stop
from .task import run_case


def tell(text, end='\n'):
    """The work goes on where nobody reads what is said any more, as after `| head`."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def all_devices(program):
    done = subprocess.run([program, 'devices', '--json'], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BadInput((done.stderr.strip() or 'no devices').splitlines()[-1])
    return json.loads(done.stdout)['devices']


def choose_devices(program, wanted):
    """Numbers: those named; all; or by default the GPUs, and the processors where there are none."""
    devices = all_devices(program)
    if wanted is None:
        gpus = [d['index'] for d in devices if d['type'] != 'CPU']
        return gpus or [d['index'] for d in devices]
    if wanted == 'all':
        return [d['index'] for d in devices]
    try:
        chosen = [int(w) for w in wanted.split(',')]
    except ValueError:
        raise BadInput(f'--device {wanted}: expected numbers such as 0,1, or all') from None
    for c in chosen:
        if c not in [d['index'] for d in devices]:
            raise BadInput(f'--device {c}: there are {len(devices)} devices, counted from 0 (spineplan devices)')
    return chosen


class Display:
    """A bar on a terminal; elsewhere a line a case."""

    def __init__(self, total, done):
        self.total, self.done, self.failed, self.before = total, done, 0, done
        self.terminal = sys.stderr.isatty()
        self.now, self.began, self.shown, self.lock = {}, time.monotonic(), 0.0, threading.Lock()

    def line(self):
        made = self.done + self.failed - self.before
        filled = int(24 * (self.done + self.failed) / self.total)
        left = ''
        if made:
            seconds = (time.monotonic() - self.began) / made * (self.total - self.done - self.failed)
            left = f', {seconds / 60:.0f} min left' if seconds > 90 else f', {seconds:.0f} s left'
        running = ', '.join(f'{name} ({step})' for name, step in self.now.values())
        failed = f', {self.failed} failed' if self.failed else ''
        return (f'cohort [{"#" * filled}{"." * (24 - filled)}] {self.done + self.failed} of {self.total}{failed}{left}: '
                f'{running}')[:150]

    def draw(self, force=False):
        if self.terminal and (force or time.monotonic() - self.shown > 0.1):
            self.shown = time.monotonic()
            tell('\r\033[K' + self.line(), end='')

    def running(self, worker, name, step):
        with self.lock:
            self.now[worker] = (one_line(name), one_line(step))
            self.draw()

    def finished(self, worker, record):
        with self.lock:
            self.now.pop(worker, None)
            if record['status'] == 'done':
                self.done += 1
            elif record['status'] == 'failed':
                self.failed += 1
            if self.terminal and record['status'] == 'done':
                self.draw(force=True)
                return
            what = {'done': 'done', 'failed': 'failed: ' + record.get('error', ''), 'interrupted': 'interrupted'}
            tell(('\r\033[K' if self.terminal else '') + f'cohort: {self.done + self.failed} of {self.total}: '
                 f'{one_line(record["case"])} {what[record["status"]]} ({record.get("seconds", 0):.1f} s)')
            self.draw(force=True)

    def end(self):
        if self.terminal:
            tell('\r\033[K', end='')


def step_in(line, step):
    """Which part of the work a line of the program tells of."""
    for mark, name in (('iteration', 'optimisation'), ('influence matrix', 'optimisation'), ('correction', 'optimisation'),
                       ('Monte Carlo', 'Monte Carlo'), ('report', 'report')):
        if mark in line:
            return name
    return step


def run_all(settings, keys, out, devices, jobs, stop=None):
    """Returns how many failed, and whether all cases had their turn."""
    stop = stop or Stop()
    places = settings.places(out)
    todo = queue.SimpleQueue()
    left = [p for p in places if not is_done(settings, keys, p)]
    for place in left:
        todo.put(place)
    display = Display(len(places), len(places) - len(left))
    if display.done:
        tell(f'cohort: {display.done} of {len(places)} cases are done already')

    def work(worker, device):
        step = 'plan'
        while not stop.asked:
            try:
                place = todo.get_nowait()
            except queue.Empty:
                return
            step = 'plan'
            display.running(worker, place.name, step)

            def said(line, place=place):
                nonlocal step
                step = step_in(line, step)
                display.running(worker, place.name, step)
            try:
                record = run_case(settings, keys, place, ('--device', str(device)), stop, said)
            except Exception as e:  # one case must not take the others with it
                record = {'case': place.name, 'status': 'failed', 'error': f'{type(e).__name__}: {e}'}
            display.finished(worker, record)

    threads = [threading.Thread(target=work, args=((device, job), device)) for job in range(jobs) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():  # a join without end would keep signals from us
            thread.join(0.2)
    display.end()
    return display.failed, display.done + display.failed == len(places)
