"""The Kubernetes profile with Snakemake's executor, against a stand-in for a cluster.

Run with `make test-kubernetes`. Pods are processes here: that GPUs are found, that images can be
pulled and that a volume is shared by several machines is not tried."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stand_in import GPU, Server

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT/'workflow'/'profiles'/'kubernetes'
RUN_LIMIT = 900                         # seconds of one workflow
# as the workflow's rule of a run: the run writes to the volume, Snakemake gets a copy of its record
RULES = '''\
root = config['root']
rule all:
    input: expand(root + '/{run}/run.json', run=['a', 'b'])
rule run:
    output: root + '/{run}/run.json'
    params: record=root + '/{run}/run.json', tried=root + '/{run}/tried'
    resources: gpu=2, mem_mb=700, disk_mb=300, runtime=5
    shell:
        """
        mkdir -p $(dirname {params.tried})
        if [ {wildcards.run} = b -a ! -e {params.tried} ]; then touch {params.tried}; exit 3; fi
        echo $PWD > {params.record}
        [ -e {output} ] || cp {params.record} {output}
        """
'''


@pytest.fixture
def place(tmp_path):
    "A checkout's folder, a volume, and a `pip` that has installed everything already."
    for name in ('checkout', 'volume', 'bin'): (tmp_path/name).mkdir()
    (tmp_path/'checkout'/'Snakefile').write_text(RULES)
    pip = tmp_path/'bin'/'pip'
    pip.write_text('#!/bin/sh\nexit 0\n')
    pip.chmod(0o755)
    return tmp_path


def run(place, server, *options, folder=None):
    "The workflow with the profile, its volume moved. Options begin with what goes to --config."
    volume = place/'volume'
    command = [sys.executable, '-m', 'snakemake', '--profile', PROFILE,
               '--kubernetes-persistent-volumes', f'mambaflow:{volume}',
               '--default-storage-prefix', volume/'done', '--seconds-between-status-checks', '1',
               '--config', f'root={volume}/runs', *options]
    return subprocess.run(command, cwd=folder or place/'checkout', env=server.env, text=True,
                          capture_output=True, timeout=RUN_LIMIT)


@pytest.fixture
def server(place):
    if not shutil.which('rsync'): pytest.skip('no rsync, which the storage plugin calls')
    environment = {**os.environ, 'PATH': f'{place}/bin:{os.environ["PATH"]}'}
    with Server(place, environment) as server: yield server


def test_pods(place, server):
    "A failed pod ends the workflow; started again it goes on, and does nothing twice."
    first = run(place, server)
    assert first.returncode == 1
    assert 'previous terminated container' in first.stderr, first.stderr[-3000:]
    second = run(place, server)
    assert second.returncode == 0, second.stderr[-3000:]
    runs = place/'volume'/'runs'
    assert {file.parent.name for file in runs.glob('*/run.json')} == {'a', 'b'}
    for name in 'ab':
        copy = place/'volume'/'done'/str(runs).lstrip('/')/name/'run.json'
        assert copy.read_bytes() == (runs/name/'run.json').read_bytes()
    assert not server.unknown and not server.secrets
    pods = len(server.pods)
    third = run(place, server)
    assert third.returncode == 0 and len(server.pods) == pods, 'a finished run was done again'


def test_what_a_pod_asks_for(place, server):
    "GPUs, memory and disk are limits; the claim is mounted; the image is the profile's."
    run(place, server)
    pod = next(iter(server.pods.values()))
    asked = pod.container['resources']
    assert asked['limits'] == {**asked['requests'], 'cpu': asked['limits']['cpu']}
    assert asked['limits'][GPU] == '2' and asked['limits']['memory'] == '700M'
    mounts = {mount['name']: mount['mountPath'] for mount in pod.container['volumeMounts']}
    assert mounts == {'workdir': '/workdir', 'mambaflow': str(place/'volume')}
    assert pod.container['image'] == 'registry.example.com/mambaflow:0.1.0'


def test_tiny_plan(place, server):
    "The workflow itself: a run and one that needs it, from a checkout that pods do not have."
    checkout = place/'image'
    checkout.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in ('.git', '.snakemake', '.venv', 'workflow', 'outputs'):
            (checkout/entry.name).symlink_to(entry)
    shutil.copytree(ROOT/'workflow', checkout/'workflow')
    runs = place/'volume'/'runs'
    plan = ROOT/'tests'/'workflow'/'tiny.yaml'
    ended = run(place, server, f'plan={plan}', '--', 'tiny/b1', folder=checkout)
    assert ended.returncode == 0, ended.stderr[-3000:]
    for name in ('b0', 'b1'):
        record = runs/'tiny'/name/'run.json'
        copy = place/'volume'/'done'/str(record).lstrip('/')
        assert copy.read_bytes() == record.read_bytes()
        assert list((runs/'tiny'/name/'checkpoints').iterdir()), 'no checkpoints on the volume'
    assert len(server.pods) == 2
    assert 'Nothing to be done' in run(place, server, f'plan={plan}', '--', 'tiny/b1',
                                       folder=checkout).stderr


def test_limits_are_needed(place, server):
    "Without `scale: 0` of the profile a real server refuses GPUs, and so does the stand-in."
    ended = run(place, server, '--set-resources', 'run:scale=1')
    assert ended.returncode == 1
    assert 'Limit must be set' in ended.stderr, ended.stderr[-3000:]
