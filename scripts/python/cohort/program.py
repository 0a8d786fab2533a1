"""Runs the program as a child that ends with us, and stops it the way its step allows."""
import os
import shutil
import subprocess

# A child must not outlive us, or it would go on writing into a folder that another has taken over.
WITH_PARENT = [shutil.which('setpriv'), '--pdeathsig', 'KILL'] if shutil.which('setpriv') else []


class Interrupted(Exception):
    pass


class Stop:
    """Asked for from a signal handler or another thread; ends the running child the way its step allows."""

    def __init__(self):
        self.asked = False
        self.children = {}

    def ask(self):
        # no lock: a signal handler would wait for what its own thread holds
        self.asked = True
        for child in list(self.children):
            self.end(child)

    def start(self, command, number, **options):
        if self.asked:
            raise Interrupted
        child = subprocess.Popen(command, **options)
        self.children[child] = number
        if self.asked:  # between these lines
            self.end(child)
        return child

    def end(self, child):
        number = self.children.pop(child, None)  # whoever gets it sends the one signal
        if number is not None:
            end(child, number)

    def forget(self, child):
        self.children.pop(child, None)


def end(child, number):
    try:
        child.send_signal(number)
    except OSError:
        pass


def run_program(command, place, stop, number, said):
    """Runs to its end; what it says goes to the log, each line also to said(). number: the signal that stops it."""
    last, environment = '', dict(os.environ, LC_ALL='C.UTF-8')
    with open(place.log, 'a', encoding='utf-8', errors='replace') as log:
        print('$', *command, file=log, flush=True)
        # a session of its own, so that Ctrl-C on the terminal reaches it through us alone
        child = stop.start(WITH_PARENT + command, number, stdin=subprocess.DEVNULL, stdout=log,
                           stderr=subprocess.PIPE, text=True, errors='replace', start_new_session=True, env=environment)
        try:
            for line in child.stderr:
                log.write(line)
                log.flush()
                last = line.strip() or last
                said(line.strip())
            code = child.wait()
        except BaseException:  # the log's disk is full, say; nobody would end the child any more
            child.kill()
            child.wait()
            raise
        finally:
            stop.forget(child)
            child.stderr.close()
    return code, last
