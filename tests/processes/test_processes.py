"""One run in two processes on the CPU: the same run, one writer, and one end for all of them.

    python tests/processes/test_processes.py            some minutes, as `make test-processes`
    python tests/processes/test_processes.py NAME...    some tests: same, fields, resume, ...

`torchrun` starts `shared_run.py`, which trains a tiny model on scikit-learn's digits. Every wait has
a limit, and after each end no process may be left, whoever started it."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil
import torch

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name('shared_run.py')
LIMIT = 180                # seconds for one launch
SOON = 40                  # seconds from the end of one process to the end of all
ROUNDING = 2e-5            # largest relative difference of losses in float32, over all steps
LAUNCH = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone',
          '--nproc-per-node']
TESTS = []


def test(function):
    "Add a function to what is run."
    TESTS.append(function)
    return function


# processes

class Launch:
    "What one command started: its output, and all processes that carry its mark."
    def __init__(self, command, log):
        self.mark, self.log = uuid.uuid4().hex, log
        here = {k: v for k, v in os.environ.items() if k not in ('RANK', 'WORLD_SIZE')}
        mine = {'MAMBAFLOW_MARK': self.mark, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
        with open(log, 'w') as f:
            self.process = subprocess.Popen(command, stdout=f, stderr=f, env={**here, **mine},
                                            cwd=ROOT, start_new_session=True)

    def text(self): return self.log.read_text(errors='replace')

    def alive(self):
        "Processes with the mark, whatever became of their parents."
        found = []
        for p in psutil.process_iter():
            try: marked = p.environ().get('MAMBAFLOW_MARK') == self.mark
            except (psutil.Error, OSError): continue
            if marked and p.status() != psutil.STATUS_ZOMBIE: found.append(p)
        return found

    def end(self):
        for p in self.alive():
            try: p.kill()
            except psutil.NoSuchProcess: pass
        self.process.wait(30)


@contextmanager
def launched(command, folder):
    "Start a command; nothing that it started outlives the block."
    folder.mkdir(parents=True, exist_ok=True)
    launch = Launch([str(part) for part in command], folder/'log')
    try: yield launch
    finally: launch.end()


def wait_until(done, seconds, what, launch=None):
    "Poll until `done()`. Fails with a reason when time is over, or when the command ended before."
    end = time.monotonic() + seconds
    while not done():
        over = launch is not None and launch.process.poll() is not None and not done()
        assert not over, f'{what}: it ended before\n{launch.text()[-3000:]}'
        assert time.monotonic() < end, f'{what}: not within {seconds} s'
        time.sleep(.05)


def ended(launch, seconds):
    "Status of a command that ends in time and leaves no process."
    try: status = launch.process.wait(seconds)
    except subprocess.TimeoutExpired: status = None
    assert status is not None, f'still running after {seconds} s\n{launch.text()[-3000:]}'
    left = []
    end = time.monotonic() + 10
    while (left := launch.alive()) and time.monotonic() < end: time.sleep(.05)
    assert not left, f'left over: {[p.cmdline()[:6] for p in left]}'
    return status


# runs

def command(count, job):
    start = [sys.executable, '-W', 'ignore'] if count == 1 else [*LAUNCH, count]
    return [*start, PROGRAM, json.dumps(job)]


def run(folder, count, kind='pictures', seconds=LIMIT, **job):
    "Status, output and result (None without one) of a run in some processes."
    folder.mkdir(parents=True, exist_ok=True)
    with launched(command(count, {'kind': kind, 'folder': str(folder), **job}), folder) as launch:
        status = ended(launch, seconds)
    text = launch.text()
    results = [line for line in text.splitlines() if line.startswith('RESULT ')]
    return status, text, json.loads(results[-1].removeprefix('RESULT ')) if results else None


def result(folder, count, **job):
    "The result of a run that ends well."
    status, text, value = run(folder, count, **job)
    assert status == 0 and value, f'status {status}\n{text[-3000:]}'
    return value


def apart(a, b):
    "The largest relative difference of two lists of losses."
    a, b = torch.tensor(a['loss']).double(), torch.tensor(b['loss']).double()
    assert a.shape == b.shape, (a.shape, b.shape)
    return (b / a - 1).abs().max().item()


def names(folder): return sorted(p.name for p in (folder/'run'/'checkpoints').iterdir())


def whole(root, kind='pictures'):
    "The run in one process, done once."
    file = root/f'whole_{kind}.json'
    if not file.exists(): file.write_text(json.dumps(result(root/f'whole_{kind}', 1, kind=kind)))
    return json.loads(file.read_text())


# the same run

@test
def same(root):
    "Losses, weights and average of two processes are those of one, and a wrong share is seen."
    one, two = whole(root), result(root/'two', 2)
    difference = apart(one, two)
    assert difference < ROUNDING, difference
    weights = [torch.tensor(r['weights']) for r in (one, two)]
    torch.testing.assert_close(*weights, rtol=1e-3, atol=2e-4)
    assert (one['metrics']['processes'], two['metrics']['processes']) == (1, 2)
    assert names(root/'two') == ['epoch_00003', 'epoch_00004'], names(root/'two')
    states = [p.name for p in (root/'two'/'run').rglob('random_states_*')]
    assert set(states) == {'random_states_0.pkl'}, states       # one process has written
    wrong = apart(one, result(root/'wrong', 2, wrong_rows=True))
    assert wrong > 100 * ROUNDING, wrong
    return f'losses differ by at most {difference:.1e}; with wrong shares by {wrong:.1e}'


@test
def parts(root):
    "Two processes that add up two parts each, and compute activations again."
    config = {'accumulate': 2, 'gradient_checkpointing': True}
    difference = apart(whole(root), result(root/'parts', 2, config=config))
    assert difference < ROUNDING, difference
    return f'losses differ by at most {difference:.1e}'


@test
def fields(root):
    "Queries, symmetries and priors of a share are those of the whole batch."
    one, two = whole(root, 'fields'), result(root/'fields', 2, kind='fields')
    difference = apart(one, two)
    assert difference < ROUNDING, difference
    wrong = apart(one, result(root/'fields_wrong', 2, kind='fields', wrong_rows=True))
    assert wrong > 100 * ROUNDING, wrong
    return f'losses differ by at most {difference:.1e}; with wrong shares by {wrong:.1e}'


@test
def resume(root):
    "A run stopped in one process goes on in two, and the other way round."
    said = []
    for before, after in ((1, 2), (2, 1)):
        folder = root/f'from_{before}_to_{after}'
        status, text, _ = run(folder, before, stop=3)
        assert status == 1 and 'a stop' in text, (status, text[-2000:])
        assert names(folder) == ['epoch_00001', 'epoch_00002'], names(folder)
        gone_on = result(folder, after)
        difference = apart(whole(root), gone_on)
        assert difference < ROUNDING, difference
        assert gone_on['metrics']['processes'] == after, gone_on['metrics']
        said.append(f'{before} -> {after}: {difference:.1e}')
    return ', '.join(said)


# one end for all

def ends_all(root, name, does, said, rank=1, step=8):
    "Something happens to one process, and all end with a word about it."
    folder = root/name
    begin = time.monotonic()
    status, text, value = run(folder, 2, does=does, rank=rank, step=step)
    assert status == 1 and value is None, (name, status, text[-2000:])
    assert said in text, f'{name}: no word {said!r} in\n{text[-3000:]}'
    assert names(folder) == ['epoch_00001'], (name, names(folder))
    return f'{name} after {time.monotonic() - begin:.0f} s with the start'


@test
def mistakes(root):
    "One process fails: all end, its error is in the output, and the checkpoint stays."
    a_word = 'RuntimeError: a mistake of one process'
    said = [ends_all(root, 'second_raises', 'raise', a_word),
            ends_all(root, 'first_raises', 'raise', a_word, rank=0),
            ends_all(root, 'second_diverges', 'nan', 'NonFiniteLoss: the loss at step')]
    difference = apart(whole(root), result(root/'second_raises', 2))
    assert difference < ROUNDING, difference
    return ', '.join(said)


@test
def kill(root):
    "One process is killed while the other waits for it: torchrun says which, and ends all."
    said = []
    for rank in (0, 1):
        folder = root/f'killed_{rank}'
        folder.mkdir()
        job = {'kind': 'pictures', 'folder': str(folder), 'does': 'sleep', 'rank': 1, 'step': 8}
        with launched(command(2, job), folder) as launch:
            def reached(): return (folder/'run'/'checkpoints'/'epoch_00001').is_dir()
            wait_until(reached, LIMIT, 'the first checkpoint', launch)
            begin = time.monotonic()
            os.kill(int((folder/f'process_{rank}').read_text()), signal.SIGKILL)
            status = ended(launch, SOON)
        text = launch.text()
        assert status == 1 and 'Signal 9 (SIGKILL)' in text, (status, text[-3000:])
        said.append(f'process {rank}: {time.monotonic() - begin:.1f} s')
        assert not list((folder/'run').rglob('.tmp-*')), 'half a file is left'
    difference = apart(whole(root), result(root/'killed_1', 2))
    assert difference < ROUNDING, difference
    return f'from the kill to the end of all, {", ".join(said)}'


@test
def launcher(root):
    "torchrun itself is stopped, as by Ctrl-C or a scheduler."
    folder = root/'stopped'
    folder.mkdir()
    job = {'kind': 'pictures', 'folder': str(folder), 'does': 'sleep', 'rank': 1, 'step': 8}
    with launched(command(2, job), folder) as launch:
        wait_until((folder/'run'/'checkpoints'/'epoch_00001').is_dir, LIMIT, 'a checkpoint', launch)
        launch.process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        ended(launch, SOON)
    return f'all ended {time.monotonic() - begin:.1f} s later'


# refusals

@test
def refused(root):
    "A folder of another run, one that is in use, and a batch that cannot be split."
    folder = root/'refused'
    result(folder, 1, config={'epochs': 1})
    before = {p: p.stat().st_mtime_ns for p in (folder/'run').rglob('*')}
    status, text, _ = run(folder, 2, config={'epochs': 1, 'lr': 1.})
    assert status == 1 and 'training.lr: 0.003 there, 1.0 here' in text, text[-3000:]
    status, text, _ = run(folder, 2, config={'epochs': 1, 'batch_size': 75})
    assert status == 1 and 'choose 74 or 76' in text, text[-3000:]
    assert {p: p.stat().st_mtime_ns for p in (folder/'run').rglob('*')} == before
    busy = root/'busy'
    busy.mkdir()
    job = {'kind': 'pictures', 'folder': str(busy), 'does': 'sleep', 'rank': 0, 'step': 8}
    with launched(command(1, job), busy/'first') as launch:
        wait_until((busy/'run'/'checkpoints'/'epoch_00001').is_dir, LIMIT, 'a checkpoint', launch)
        holder = int((busy/'process_0').read_text())
        status, text, _ = run(busy, 2)
        assert status == 1 and f'is in use by process {holder}' in text, text[-3000:]
        assert launch.process.poll() is None, 'the run that was there is disturbed'
    return 'three refusals, each by all processes'


# a notebook

def notebook_command(count, folder, **parameters):
    "The training notebook in some processes."
    given = [part for k, v in parameters.items() for part in ('-p', k, str(v))]
    return [*LAUNCH, count, '-m', 'mambaflow.studies.worker',
            'nbs/experiments/images/train_backbone.ipynb', folder/'done.ipynb',
            '-p', 'out', folder/'run', '-p', 'cpu', 'True', *given]


@test
def notebook(root):
    "The training notebook in two processes: one record, one executed notebook, nothing beside it."
    folder = root/'notebook'
    with launched(notebook_command(2, folder), folder) as launch: status = ended(launch, LIMIT)
    assert status == 0, launch.text()[-3000:]
    record = json.loads((folder/'run'/'run.json').read_text())
    assert record['metrics']['processes'] == 2, record['metrics']
    cells = nbformat.read(folder/'done.ipynb', 4).cells
    assert cells[-1].outputs, 'the first process did not run its notebook to the end'
    assert sorted(p.name for p in folder.iterdir()) == ['done.ipynb', 'log', 'run']
    return f'{record["metrics"]["steps"]} steps in two processes'


@test
def kernels(root):
    "A kernel is killed: its notebook fails, and all kernels end with it."
    folder = root/'kernels'
    with launched(notebook_command(2, folder, epochs=100000), folder) as launch:
        wait_until((folder/'run'/'checkpoints').is_dir, LIMIT, 'the run', launch)
        time.sleep(1)
        kernels = [p for p in launch.alive() if 'ipykernel_launcher' in ' '.join(p.cmdline())]
        assert len(kernels) == 2, [p.cmdline() for p in launch.alive()]
        second = next(p for p in kernels if p.environ()['RANK'] == '1')
        second.kill()
        begin = time.monotonic()
        status = ended(launch, SOON)
    assert status == 1 and 'Kernel died' in launch.text(), launch.text()[-3000:]
    return f'all ended {time.monotonic() - begin:.1f} s later'


def main(wanted):
    unknown = set(wanted) - {t.__name__ for t in TESTS}
    if unknown: sys.exit(f'no test {sorted(unknown)}: choose from {[t.__name__ for t in TESTS]}')
    begin, failed = time.monotonic(), []
    root = Path(tempfile.mkdtemp(prefix='mambaflow-processes-'))
    try:
        for t in TESTS:
            if wanted and t.__name__ not in wanted: continue
            start = time.monotonic()
            try: said = t(root)
            except AssertionError as e:
                failed.append(t.__name__)
                said = f'FAILED: {e}'
            print(f'{t.__name__:10} {time.monotonic() - start:4.0f} s  {said}', flush=True)
    finally: shutil.rmtree(root, ignore_errors=True)
    print(f'{len(failed)} failed, {time.monotonic() - begin:.0f} s')
    sys.exit(1 if failed else 0)


if __name__ == '__main__': main(sys.argv[1:])
