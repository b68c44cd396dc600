"""What a user is told before anything starts: a wrong profile, a missing plugin, no cluster."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted(file.parent.name for file in ROOT.glob('workflow/profiles/*/config.yaml'))
PLAN = ROOT/'tests'/'workflow'/'tiny.yaml'
# Snakemake on a machine where packages are not installed, or programs not on the path
WITHOUT = '''\
import pkgutil, sys
missing = sys.argv.pop(1)
sys.modules[missing] = None
real = pkgutil.iter_modules
pkgutil.iter_modules = lambda *a, **k: (m for m in real(*a, **k) if m.name != missing)
from snakemake.cli import main
main()
'''


def snakemake(root, *options, without='nothing', path=None):
    "Snakemake on the tiny plan."
    command = [sys.executable, '-c', WITHOUT, without, '-s', ROOT/'workflow'/'Snakefile', *options,
               '--config', f'plan={PLAN}', f'root={root}']
    environment = {**os.environ, 'PATH': path or os.environ['PATH']}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=300)


def test_profiles_are_there(): assert PROFILES == ['kubernetes', 'local', 'slurm']


@pytest.mark.parametrize('profile', PROFILES)
def test_keys(profile, tmp_path):
    "Snakemake knows every key of a profile: a dry run lists the plan, without a cluster."
    ended = snakemake(tmp_path, '--profile', f'workflow/profiles/{profile}', '-n')
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert 'tiny/a0' in ended.stdout + ended.stderr


def test_unknown_profile(tmp_path):
    ended = snakemake(tmp_path, '--profile', 'workflow/profiles/slrum')
    assert ended.returncode == 1
    assert 'workflow/profiles/slrum' in ended.stderr and 'no profile.yaml' in ended.stderr


@pytest.mark.parametrize('profile, plugin', [
    ('slurm', 'snakemake_executor_plugin_slurm'),
    ('kubernetes', 'snakemake_executor_plugin_kubernetes'),
    ('kubernetes', 'snakemake_storage_plugin_fs')])
def test_missing_plugin(profile, plugin, tmp_path):
    "One line that says what to install."
    ended = snakemake(tmp_path, '--profile', f'workflow/profiles/{profile}', without=plugin)
    assert ended.returncode == 1
    assert "pip install -e '.[workflow]'" in ended.stderr and 'usage:' not in ended.stderr
    assert not list(tmp_path.iterdir())


def test_no_cluster(tmp_path):
    "On a machine without SLURM: what to do, at once."
    path = tmp_path/'bin'
    path.mkdir()
    for name in ('bash', 'sh', 'git', 'uname', 'which'):
        found = shutil.which(name)
        if found: (path/name).symlink_to(found)
    ended = snakemake(tmp_path/'runs', '--profile', 'workflow/profiles/slurm',
                      path=str(path))
    assert ended.returncode == 1
    assert 'there is no sbatch here' in ended.stderr, ended.stderr[-3000:]
    assert 'has been submitted' not in ended.stderr
