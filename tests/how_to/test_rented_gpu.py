"""Every shell line of nbs/how_to/rented_gpu.ipynb, in a fresh folder with a clean environment.

Run with `make test-how-to`. It installs the package and PyTorch once more, which takes minutes.
Where no GPU is, the runs are those of the tiny plan, in place of the protocol's. MAMBAFLOW_GIT
names another repository to clone than this checkout, of which only commits are seen."""
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT/'nbs'/'how_to'/'rented_gpu.ipynb'
URL = 'https://github.com/mambaflow/mambaflow.git'
LIMIT = 3000                            # seconds of all lines
GPU = shutil.which('nvidia-smi') is not None
CANNOT = re.compile(r'apt-get' if os.getuid() or not shutil.which('apt-get') else r'(?!)')
NO_GPU = re.compile(r'torch\.cuda\.get_device_name')
# on a CPU: names of the page -> of the tiny plan
TINY = {'protocol': 'tiny', 'PT-s0': 'a0'}
TINY_FILE = '--config plan=tests/workflow/tiny.yaml'


def blocks():
    "Text of each ```bash block, in order; other fences are not run."
    notebook = nbformat.read(PAGE, as_version=4)
    text = '\n'.join(cell.source for cell in notebook.cells if cell.cell_type == 'markdown')
    return re.findall(r'^```bash\n(.*?)^```', text, re.M | re.S)


def fits(line, skipped):
    "The line as it is run here; a comment that says why, when it cannot be."
    why = ('not root on Debian' if CANNOT.search(line) else
           'no GPU here' if NO_GPU.search(line) and not GPU else '')
    if why:
        skipped.append(f'{why}: {line}')
        return f': # {why}'
    if not GPU:
        for name, tiny in TINY.items(): line = re.sub(rf'\b{name}\b', tiny, line)
        if 'snakemake ' in line:
            command, redirected, rest = line.partition(' > ')
            line = f'{command} {TINY_FILE}{redirected}{rest}'
    return line.replace('machine:mambaflow/', '$THERE/mambaflow/')


def script(skipped):
    "One shell for all blocks: it stops at the first line that fails, and names it."
    lines = ['set -eu', 'cd "$THERE"']
    for block in blocks():
        at_home = block.startswith('# at home\n')
        body = [fits(line, skipped) for line in block.splitlines() if not line.startswith('#')]
        lines += ['pushd "$HOME_CHECKOUT" >/dev/null'] if at_home else []
        lines += [*body, 'wait']
        lines += ['popd >/dev/null'] if at_home else []
    return '\n'.join(['trap \'echo "failed: $BASH_COMMAND" >&2\' ERR', *lines]) + '\n'


@pytest.fixture(scope='module')
def ran(tmp_path_factory):
    "What the page's lines did: (folder of the machine, of home, output, lines left out)."
    base = tmp_path_factory.mktemp('rented')
    there, home = base/'machine', base/'home'
    for folder in (there, home): folder.mkdir()
    source = os.environ.get('MAMBAFLOW_GIT', ROOT)
    subprocess.run(['git', 'clone', '--quiet', source, home/'mambaflow'], check=True, timeout=120)
    skipped = []
    text = script(skipped)
    environment = {'HOME': str(there), 'THERE': str(there), 'HOME_CHECKOUT': str(home/'mambaflow'),
                   'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
                   'LANG': 'C.UTF-8', 'OMP_NUM_THREADS': '1', 'DEBIAN_FRONTEND': 'noninteractive',
                   # the page's address leads to this checkout
                   'GIT_CONFIG_COUNT': '1', 'GIT_CONFIG_KEY_0': f'url.{source}.insteadOf',
                   'GIT_CONFIG_VALUE_0': URL}
    # how this machine reaches its package index
    kept = re.compile('PIP_.*|SSL_CERT_.*|.*_CA_BUNDLE|https?_proxy|no_proxy', re.I)
    environment |= {name: value for name, value in os.environ.items() if kept.fullmatch(name)}
    own = Path('~/.config/pip/pip.conf').expanduser()
    if own.exists(): environment.setdefault('PIP_CONFIG_FILE', str(own))
    begin = time.monotonic()
    process = subprocess.Popen(['bash', '-c', text], cwd=there, env=environment, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try: output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        raise AssertionError(f'not done after {LIMIT} s:\n{output[-4000:]}') from None
    seconds = time.monotonic() - begin
    print(f'\n{seconds:.0f} s; lines left out:', *(skipped or ['none']), sep='\n  ')
    assert process.returncode == 0, output[-6000:]
    return there/'mambaflow', home/'mambaflow', output


def test_blocks():
    "The page has lines to run, and those that a reader has to have."
    text = '\n'.join(blocks())
    for needed in (f'git clone {URL}', "'.[workflow]'", '--dry-run', 'snakemake protocol/PT-s0',
                   'snakemake protocol --profile workflow/profiles/local', 'rsync'):
        assert needed in text, needed


def test_records(ran):
    "The first record, then all; at home the same ones, without weights."
    there, home, output = ran
    plan = 'protocol' if GPU else 'tiny'
    records = sorted((there/'runs'/plan).glob('*/run.json'))
    assert len(records) >= 6, output[-3000:]
    for record in records:
        fetched = home/record.relative_to(there)
        assert fetched.read_bytes() == record.read_bytes()
        is_run = (record.parent/'config.json').exists()         # and no study
        assert (record.parent/'model.safetensors').exists() == is_run
        assert not (fetched.parent/'model.safetensors').exists()
        assert json.loads(record.read_text())['provenance']['tree'] == 'clean'


def test_dry_run_first(ran):
    "The dry run listed every run before there was any, and did none."
    _, _, output = ran
    dry, _, rest = output.partition('This was a dry-run')
    assert rest and ('protocol/PT-s0' if GPU else 'tiny/a0') in dry, output[:3000]
    assert 'begins' not in dry and 'begins' in rest


def test_code_line(ran):
    "The line for a machine without git names the commit."
    _, home, output = ran
    commit = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=home, capture_output=True, text=True,
                            check=True).stdout.strip()
    assert f'export MAMBAFLOW_CODE={commit}:' in output
