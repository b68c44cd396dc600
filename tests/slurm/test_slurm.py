"""The tiny plan through SLURM on this machine: jobs are killed, go on, and end with the same bits.

Run with `make test-slurm`: as root on Debian, where it installs Debian's slurm without starting
a service of it. Elsewhere it is skipped, and says why."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import Cluster, die_with_parent, install, why_not

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT/'tests'))
from timeless import timeless

PROFILES = ROOT/'workflow'/'profiles'
PLAN = ROOT/'tests'/'workflow'/'tiny.yaml'
LIMIT = 1500                            # seconds for one workflow
STARTED = time.monotonic()


@pytest.fixture(scope='module')
def cluster():
    "A node with one GPU that exists by name; afterwards nothing of it may be left."
    if why_not(): pytest.skip(why_not())
    install()
    before = daemons()
    with Cluster(gpus=1) as cluster: yield cluster
    wait(lambda: daemons() <= before, 'the end of all daemons', 20)
    print(f'\nseconds of the whole: {time.monotonic() - STARTED:.0f}')


def processes():
    "Process number -> its command line."
    found = {}
    for folder in Path('/proc').glob('[0-9]*'):
        try: command = (folder/'cmdline').read_bytes().replace(b'\0', b' ').decode()
        except OSError: continue        # ended meanwhile
        if command: found[int(folder.name)] = command
    return found


def daemons():
    "Processes of SLURM and munge."
    names = ('slurmctld', 'slurmd', 'slurmstepd', 'munged')
    return {pid for pid, command in processes().items()
            if Path(command.split()[0]).name.rstrip(':') in names}


def wait(is_so, what, seconds):
    "Wait for something, at most so long."
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f'{what}: not within {seconds} s'
        time.sleep(.1)


def start(root, env, *options):
    "Snakemake, its output in a file beside the runs."
    root.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-m', 'snakemake', '-s', ROOT/'workflow'/'Snakefile', *options]
    with open(root/'snakemake.log', 'ab') as log:
        return subprocess.Popen(command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, preexec_fn=die_with_parent)


def said(root): return (root/'snakemake.log').read_text(errors='replace')


def finish(process, root, seconds=LIMIT):
    "Wait for a workflow; its status."
    try: return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try: process.wait(60)
        except subprocess.TimeoutExpired: process.kill()
        raise AssertionError(f'not finished after {seconds} s:\n{said(root)[-4000:]}') from None


def checkpoints(folder):
    "Name of each checkpoint -> its inode: another one when it was written again."
    found = {}
    for path in (folder/'checkpoints').glob('epoch_[0-9]*'):
        try: found[path.name] = path.stat().st_ino
        except FileNotFoundError: pass  # the oldest is deleted
    return found


def epochs(found): return [int(name.removeprefix('epoch_')) for name in found]


def runs(root): return {file.parent.name: file.parent for file in root.rglob('config.json')}


def under_way(cluster, root, least=3):
    "(run, its job) that has so many epochs behind it and goes on; None when there is no such."
    states = {comment.rpartition('/')[2]: number         # rule_PLAN/RUN
              for number, (state, comment) in cluster.jobs().items() if state == 'RUNNING'}
    for name, folder in runs(root).items():
        done = max(epochs(checkpoints(folder)), default=0)
        if name in states and done >= least and not (folder/'run.json').exists():
            return name, states[name]
    return None


def kernel_of(job):
    "Process of the Jupyter kernel that works in a job."
    mark = f'SLURM_JOB_ID={job}'.encode()
    for pid, command in processes().items():
        if 'ipykernel' not in command: continue
        try: environment = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
        except OSError: continue
        if mark in environment: return pid
    return None


def of_job(job):
    "Processes that a job has started, and that are still there."
    mark = f'SLURM_JOB_ID={job}'.encode()
    def has(pid):
        try: return mark in Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
        except OSError: return False
    return {pid: command for pid, command in processes().items() if has(pid)}


class Killed:
    "A run that was killed: what it had then, and what is seen of it afterwards."
    def __init__(self, cluster, root, name, job, kill):
        self.folder, self.name = runs(root)[name], name
        kill()
        cluster.wait(lambda: job not in cluster.jobs(), f'the end of job {job}')
        wait(lambda: not of_job(job), f'the end of all processes of job {job}', 20)
        assert not (self.folder/'run.json').exists(), f'{name} had ended before it was killed'
        self.had = checkpoints(self.folder)
        self.newest = max(self.had)
        self.kept, self.seen = None, set()

    def look(self):
        "Note the checkpoints; the newest of then, when a newer one is there."
        now = checkpoints(self.folder)
        self.seen |= now.keys()
        if self.newest in now and max(now) > self.newest: self.kept = now[self.newest]

    def check(self):
        "Raise AssertionError unless it went on from its newest checkpoint."
        assert min(self.seen) >= min(self.had), (
            f'{self.name} began before its checkpoints {sorted(self.had)}: {sorted(self.seen)}')
        assert self.kept == self.had[self.newest], f'{self.name}: {self.newest} was written again'


def records(root):
    "Those of all runs and studies below a folder, by their place in it."
    # without hashes of weight files: safetensors orders the notes in their headers by chance
    return {str(file.relative_to(root)): timeless(json.loads(file.read_text()), [str(root)],
                                                  left_out=['weights'])
            for file in root.rglob('run.json')}


def content(file):
    "SHA-256 of a safetensors file, the order of its header aside."
    data = file.read_bytes()
    length = 8 + int.from_bytes(data[:8], 'little')
    header = json.dumps(json.loads(data[8:length]), sort_keys=True)
    return hashlib.sha256(header.encode() + data[length:]).hexdigest()


def weights(root):
    "What each run has learnt, by its place."
    return {str(file.relative_to(root)): content(file)
            for file in root.rglob('model.safetensors') if 'checkpoints' not in file.parts}


def options(root, profile):
    "The tiny plan in a folder, with a profile; waits of this test are shorter than a cluster's."
    quick = ['--slurm-init-seconds-before-status-checks', '2', '--latency-wait', '5']
    return ['--profile', PROFILES/profile, *(quick if profile == 'slurm' else ['--cores', '2']),
            '--config', f'plan={PLAN}', f'root={root}']


def watch(cluster, process, killed):
    "Look at killed runs until the workflow ends."
    end = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < end:
        for run in killed: run.look()
        time.sleep(.05)


def wait_for_run(cluster, root, process):
    "The next run that can be killed."
    found = []
    def look():
        assert process.poll() is None, f'the workflow has ended:\n{said(root)[-4000:]}'
        found[:] = [under_way(cluster, root)]
        return found[0]
    wait(look, 'a run in its middle', LIMIT)
    return found[0]


def test_killed(cluster, tmp_path):
    "scancel, SIGKILL of a kernel, Ctrl-C of Snakemake: the records are those of the local profile."
    local, there = tmp_path/'local', tmp_path/'slurm'
    reference = start(local, cluster.env, *options(local, 'local'))
    assert finish(reference, local) == 0, said(local)[-4000:]

    process = start(there, cluster.env, *options(there, 'slurm'))
    name, job = wait_for_run(cluster, there, process)
    killed = [Killed(cluster, there, name, job, lambda: cluster.command('scancel', str(job)))]
    name, job = wait_for_run(cluster, there, process)
    kernel = kernel_of(job)
    assert kernel, f'no kernel in job {job}'
    killed.append(Killed(cluster, there, name, job, lambda: os.kill(kernel, signal.SIGKILL)))
    assert killed[0].name != killed[1].name, 'the same run twice'

    name, job = wait_for_run(cluster, there, process)
    jobs = list(cluster.jobs())
    def interrupt():
        process.send_signal(signal.SIGINT)
        assert finish(process, there, 240) != 0       # it sleeps between two looks at its jobs
    killed.append(Killed(cluster, there, name, job, interrupt))
    assert not cluster.jobs(), f'{cluster.jobs()} are left of {jobs}'

    process = start(there, cluster.env, *options(there, 'slurm'))
    watch(cluster, process, killed)
    assert finish(process, there) == 0, said(there)[-4000:]
    for run in killed: run.check()
    assert records(there) == records(local) and len(records(local)) == 7
    assert weights(there) == weights(local) and len(weights(local)) == 6


GPU_RULE = '''\
include: {checks!r}
onstart: check_slurm(workflow.dag.needrun_jobs())
rule run:
    output: 'seen'
    resources: gpu=config['gpu'], mem_mb=500, runtime=5
    shell: 'echo "$CUDA_VISIBLE_DEVICES" > {{output}}'
'''


def gpu_workflow(cluster, root, gpus):
    "A rule that asks for GPUs."
    root.mkdir()
    (root/'Snakefile').write_text(GPU_RULE.format(checks=str(ROOT/'workflow'/'checks.smk')))
    command = [sys.executable, '-m', 'snakemake', '--profile', PROFILES/'slurm',
               '--slurm-init-seconds-before-status-checks', '2', '--config', f'gpu={gpus}']
    return subprocess.run(command, cwd=root, env=cluster.env, capture_output=True, text=True,
                          timeout=120)


def test_gpu(cluster, tmp_path):
    "A run sees the GPU that SLURM gave it."
    ended = gpu_workflow(cluster, tmp_path/'one', 1)
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert (tmp_path/'one'/'seen').read_text() == '0\n'


def test_too_many_gpus(cluster, tmp_path):
    "More GPUs than a node has: nothing is sent, and the partitions are shown."
    ended = gpu_workflow(cluster, tmp_path/'three', 3)
    assert ended.returncode == 1
    assert 'SLURM cannot run seen with --gpus=3' in ended.stderr, ended.stderr[-4000:]
    assert 'main* 1 nodes' in ended.stderr and 'gpu:1' in ended.stderr
    assert 'has been submitted' not in ended.stderr
    assert not cluster.jobs()
