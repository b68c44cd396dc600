"""SLURM on this machine, for tests: Debian's packages, one node, nothing left behind.

    python tests/slurm/cluster.py        starts it, says how to use it, ends with Ctrl-C

Everything lies in one new folder: configuration, keys, logs, sockets. Packages are installed, but
no service of theirs is started. The daemons are children of this process and end with it."""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ('slurmctld', 'slurmd', 'slurm-client', 'munge')
PROGRAMS = ('slurmctld', 'slurmd', 'munged', 'sbatch', 'srun', 'squeue', 'scancel', 'sacct')
POLICY = Path('/usr/sbin/policy-rc.d')          # asked by Debian before a service is started
SBIN = f'{os.environ["PATH"]}:/usr/sbin:/sbin'  # where the daemons are
WAIT = 30                                       # seconds that one command may take

CONFIG = '''\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
# no cgroups in a container
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
# seconds: of grace between SIGTERM and SIGKILL, and for which a finished job is remembered
KillWait=5
MinJobAge=300
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}{gres} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
'''


def missing():
    "Programs of SLURM and munge that are not installed."
    return [name for name in PROGRAMS if not shutil.which(name, path=SBIN)]


def why_not():
    "What keeps SLURM from being installed and started here; '' when nothing does."
    if not sys.platform.startswith('linux'): return f'SLURM runs on Linux, this is {sys.platform}'
    if os.getuid() != 0: return 'not root: the daemons run jobs of any user, and need to be'
    if missing() and not shutil.which('apt-get'):
        return f'{", ".join(missing())} not found, and no apt-get to install them: not Debian'
    return ''


def install():
    "Install what is missing with apt-get, without starting services."
    if not missing(): return
    own_policy = not POLICY.exists()
    if own_policy:
        POLICY.write_text('#!/bin/sh\nexit 101\n')
        POLICY.chmod(0o755)
    quiet = {'env': {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}, 'check': True,
             'stdout': subprocess.DEVNULL, 'timeout': 300}
    try:
        subprocess.run(['apt-get', 'update', '-qq'], **quiet)
        options = ['-y', '-qq', '--no-install-recommends']
        subprocess.run(['apt-get', 'install', *options, *PACKAGES], **quiet)
    finally:
        if own_policy: POLICY.unlink()
    if missing(): raise RuntimeError(f'installed {PACKAGES}, but {missing()} are still not found')


def free_ports(count):
    "Ports of this machine that nothing listens to."
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets: s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets: s.close()
    return ports


def hardware():
    "CPUs and memory in MB, as slurmd itself sees them."
    said = subprocess.run(['slurmd', '-C'], capture_output=True, text=True, timeout=WAIT,
                          env={**os.environ, 'PATH': SBIN}, check=True).stdout
    return {key: int(value) for key, value in re.findall(r'(CPUs|RealMemory)=(\d+)', said)}


def die_with_parent():
    "Called in a child: SIGTERM when the process that started it ends, however that happens."
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Cluster:
    "One node, this machine, with a controller; `gpus` of it exist only by name."
    def __init__(self, gpus=0):
        self.temporary = tempfile.TemporaryDirectory(prefix='slurm-')
        self.folder, self.gpus = Path(self.temporary.name), gpus
        self.daemons = []
        self.env = {**os.environ, 'PATH': f'{self.folder}/bin:{SBIN}',
                    'SLURM_CONF': str(self.folder/'slurm.conf')}

    def configure(self):
        "Write slurm.conf, the list of GPUs and the key of munge."
        self.folder.chmod(0o711)        # munge wants its socket to be reachable by all users
        for name in ('state', 'spool'): (self.folder/name).mkdir()
        machine = hardware()
        self.cpus, self.memory = machine['CPUs'], machine['RealMemory']
        gres = f' Gres=gpu:{self.gpus}' if self.gpus else ''
        text = CONFIG.format(host=socket.gethostname().split('.')[0], user='root',
                             ports=free_ports(2), folder=self.folder, cpus=self.cpus,
                             memory=self.memory, gres=gres)
        (self.folder/'slurm.conf').write_text(text)
        devices = ('null', 'zero', 'full', 'random')[:self.gpus]
        lines = [f'Name=gpu File=/dev/{device}\n' for device in devices]
        (self.folder/'gres.conf').write_text(''.join(lines))
        key = self.folder/'munge.key'
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self.wrap_srun()

    def wrap_srun(self):
        "Snakemake's jobs drop SLURM_CONF: an `srun` that sets it. A cluster has its file in /etc."
        wrapper = self.folder/'bin'/'srun'
        wrapper.parent.mkdir()
        srun = shutil.which('srun', path=SBIN)
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.env["SLURM_CONF"]} exec {srun} "$@"\n')
        wrapper.chmod(0o755)

    def daemon(self, *command):
        "Start one, in the foreground of its own, with its log in the folder."
        with open(self.folder/f'{command[0]}.log', 'ab') as log:
            process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, preexec_fn=die_with_parent,
                                       start_new_session=True)
        self.daemons.append(process)
        return process

    def command(self, *words, check=True):
        "What a command of SLURM prints."
        said = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=WAIT)
        if check and said.returncode: raise RuntimeError(f'{words}: {said.stderr.strip()}')
        return said.stdout.strip()

    def wait(self, is_so, what, seconds=WAIT):
        "Wait for something, at most so long."
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError(f'{what}: not within {seconds} s\n{self.logs()}')
            time.sleep(.2)

    def logs(self):
        "The last lines of each daemon."
        files = sorted(self.folder.glob('*.log'))
        return '\n'.join(f'== {f.name}\n{f.read_text(errors="replace")[-1500:]}' for f in files)

    def start(self):
        "Returns when the node takes jobs."
        self.configure()
        files = {'socket': 'munge.socket', 'key-file': 'munge.key', 'pid-file': 'munged.pid',
                 'log-file': 'munge.log', 'seed-file': 'munge.seed'}
        options = [f'--{key}={self.folder/name}' for key, name in files.items()]
        self.daemon('munged', '--foreground', *options)
        self.wait((self.folder/'munge.socket').exists, 'munged')
        self.start_controller()
        self.daemon('slurmd', '-D')
        self.wait(lambda: self.command('sinfo', '-h', '-o', '%t', check=False) == 'idle',
                  'a node that is idle')

    def start_controller(self): self.controller = self.daemon('slurmctld', '-D', '-i')

    def end_controller(self):
        "As when its machine is restarted: jobs go on, nobody answers."
        self.controller.terminate()
        self.controller.wait(WAIT)
        self.daemons.remove(self.controller)

    def jobs(self):
        "Jobs that wait or run: number -> (state, comment, which names the run)."
        lines = self.command('squeue', '-h', '-o', '%A|%T|%k').splitlines()
        return {int(number): (state, comment)
                for number, state, comment in (line.split('|', 2) for line in lines)}

    def stop(self):
        "End all jobs, then the daemons."
        try:
            if self.jobs():
                self.command('scancel', *map(str, self.jobs()))
                self.wait(lambda: not self.jobs(), 'the end of all jobs')
        finally: self.end_daemons()

    def end_daemons(self):
        "The node first, munged last; then their folder goes."
        for process in reversed(self.daemons):
            process.terminate()
            try: process.wait(WAIT)
            except subprocess.TimeoutExpired: process.kill()
        self.daemons = []
        self.temporary.cleanup()

    def __enter__(self):
        try: self.start()
        except BaseException:
            self.end_daemons()
            raise
        return self

    def __exit__(self, *_): self.stop()


def main():
    "Keep a cluster until Ctrl-C."
    if why_not(): sys.exit(why_not())
    install()
    with Cluster() as cluster:
        print(f'export SLURM_CONF={cluster.env["SLURM_CONF"]}', flush=True)
        print(f'{cluster.cpus} CPUs, {cluster.memory} MB; Ctrl-C ends it', flush=True)
        try: signal.pause()
        except KeyboardInterrupt: pass


if __name__ == '__main__': main()
