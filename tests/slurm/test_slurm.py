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
PROFILES = ROOT/'workflow'/'profiles'
PLAN = ROOT/'tests'/'workflow'/'tiny.yaml'
LIMIT = 420                             # seconds for one workflow
STARTED = time.monotonic()


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    "A node with one GPU that exists by name; afterwards nothing of it may be left."
    if why_not(): pytest.skip(why_not())
    install()
    before = daemons()
    with Cluster(tmp_path_factory.mktemp('slurm'), gpus=1) as cluster: yield cluster
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
