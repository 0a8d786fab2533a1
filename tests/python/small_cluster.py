"""A Slurm cluster of one node on the loopback interface: munged, slurmctld and slurmd of Debian, stopped by their ids."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

DAEMONS = ('munged', 'slurmctld', 'slurmd')

# cred_expire: how long a job that returns to the queue waits; 5 s is the least. Preemption by partition, as clusters have it.
CONFIG = """ClusterName=spineplan
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES State=UP PriorityTier=1
PartitionName=urgent Nodes={host} State=UP PriorityTier=10 PreemptMode=OFF
"""


class Unavailable(Exception):
    """Why there can be no cluster here."""


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Cluster:
    def __init__(self):
        missing = [name for name in DAEMONS if not shutil.which(name, path=os.environ['PATH'] + ':/usr/sbin:/sbin')]
        if missing:
            raise Unavailable(', '.join(missing) + ' not installed (scripts/setup test)')
        if os.geteuid() != 0:
            raise Unavailable('slurmd starts jobs as root only')
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='slurm-'))  # short: a socket's name has 107 letters at most
        self.folder.chmod(0o755)  # munge asks for that
        self.environment = dict(os.environ, SLURM_CONF=str(self.folder / 'slurm.conf'),
                                PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
        self.children = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        for name in ('state', 'spool', 'gpu'):
            (self.folder / name).mkdir()
        for i in range(4):
            (self.folder / 'gpu' / str(i)).touch()
        key = self.folder / 'munge.key'
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        host = socket.gethostname().split('.')[0]
        (self.folder / 'slurm.conf').write_text(CONFIG.format(host=host, folder=self.folder, ctld_port=free_port(),
                                                             slurmd_port=free_port()))
        (self.folder / 'gres.conf').write_text(f'Name=gpu File={self.folder}/gpu/[0-3]\n')
        self.launch('munged', '--foreground', '--key-file', key, '--socket', self.folder / 'munge.sock', '--pid-file',
                    self.folder / 'munge.pid', '--log-file', self.folder / 'munge.log', '--seed-file',
                    self.folder / 'munge.seed', '--num-threads', '2')
        self.until(lambda: (self.folder / 'munge.sock').exists(), 10, 'munged does not answer')
        self.launch('slurmctld', '-D', '-c')
        # slurmd wants a cgroup hierarchy to be there, though nothing here uses it; which one depends on the kernel
        for plugin in ('cgroup/v1', 'cgroup/v2\nIgnoreSystemd=yes'):
            (self.folder / 'cgroup.conf').write_text(f'CgroupPlugin={plugin}\n')
            slurmd = self.launch('slurmd', '-D', '-c', '-N', host)
            if self.is_up(slurmd):
                return
        raise Unavailable('slurmd does not start: ' + (self.folder / 'slurmd.out').read_text()[-300:])

    def launch(self, name, *arguments):
        with open(self.folder / f'{name}.out', 'ab') as out:
            child = subprocess.Popen([name, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                     env=self.environment, start_new_session=True)
        self.children.append(child)
        return child

    def is_up(self, slurmd):
        for _ in range(100):
            if slurmd.poll() is not None:
                return False
            if 'idle' in self.run('sinfo', '-h').stdout:
                return True
            time.sleep(0.1)
        return False

    def run(self, *command, **options):
        return subprocess.run([str(c) for c in command], capture_output=True, text=True, env=self.environment, check=False,
                              timeout=60, **options)

    @staticmethod
    def until(condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise Unavailable(what)
            time.sleep(0.05)

    def wait_for_all_jobs(self, seconds):
        end = time.monotonic() + seconds
        while (left := self.run('squeue', '-h').stdout):
            assert time.monotonic() < end, left
            time.sleep(0.2)

    def until_idle(self):
        for _ in range(100):
            if 'idle' in self.run('sinfo', '-h').stdout:
                return
            time.sleep(0.1)

    def end_what_is_left(self):
        """Steps whose daemon is gone; they are ours where their environment names our folder."""
        mark = f'SLURM_CONF={self.folder}/slurm.conf'.encode()
        for entry in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                if mark in (entry / 'environ').read_bytes().split(b'\0') and int(entry.name) != os.getpid():
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                pass  # gone meanwhile

    def stop(self):
        if self.children:
            self.run('scancel', '-u', 'root')
            self.until_idle()
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.end_what_is_left()
        shutil.rmtree(self.folder, ignore_errors=True)
