"""The tiny plan through Snakemake: what it costs, and what kills, twins and changes do to it.

    python tests/workflow/test_workflow.py            some minutes, as `make test-workflow`
    python tests/workflow/test_workflow.py NAME...    some tests: refused, twice, killed, ...
    python tests/workflow/test_workflow.py --out DIR  and a record of what was measured

Six trainings and a study are killed at random moments and started again. Their records must be
those of an undisturbed workflow, apart from clocks; no run is done twice, no process is left."""
import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]

import psutil
import yaml
from timeless import timeless
from mambaflow.studies.records import device_shared, write_record

PLAN = Path(__file__).with_name('tiny.yaml')
MARK = 'MAMBAFLOW_TEST_WORKFLOW'        # in the environment of all that a workflow starts
LIMIT = 400                             # seconds for one workflow
LEFT_OUT = ('.git', '.snakemake', '.venv', 'outputs', 'runs')     # of a clone
GOAL = .10                              # share of time that the engine may add
ENDS = 30                               # seconds in which all processes end after a kill


# a workflow

def clone(folder):
    "A working folder that has all of the repository, as links."
    folder.mkdir(parents=True)
    for entry in ROOT.iterdir():
        if entry.name in (*LEFT_OUT, folder.name): continue
        (folder/entry.name).symlink_to(entry)


class Workflow:
    "Snakemake on a plan, in a clone; what it says goes to a file there."
    marks = []                          # of all that were started

    def __init__(self, root, *options, plan=PLAN, work=None, target=()):
        self.root, self.work = root, work or root/'work'
        if not self.work.exists(): clone(self.work)
        self.mark = f'{root}:{time.monotonic_ns()}'
        self.marks.append(self.mark)
        self.file = self.work/f'said-{time.monotonic_ns()}.log'
        command = [sys.executable, '-m', 'snakemake', *target, '--profile',
                   'workflow/profiles/local', '--cores', '2', *options,
                   '--config', f'root={root/"runs"}', *([f'plan={plan}'] if plan else [])]
        env = {**os.environ, MARK: self.mark, 'PYTHONPATH': str(ROOT)}
        with open(self.file, 'wb') as log:
            self.process = subprocess.Popen([str(c) for c in command], cwd=self.work, env=env,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def said(self):
        return self.file.read_text(errors='replace')

    def finish(self, seconds=LIMIT):
        "Status. Raises TimeoutError, and ends it all, when it does not come."
        try: return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            end_all(self.mark)
            raise TimeoutError(f'{self.root}: {seconds} s:\n{self.said()[-3000:]}') from None


def started(mark):
    "Processes of a workflow that still run."
    found = []
    for process in psutil.process_iter():
        try:
            is_there = process.status() != psutil.STATUS_ZOMBIE
            if is_there and process.environ().get(MARK) == mark: found.append(process)
        except psutil.Error: pass
    return found


def end_all(mark):
    "End what a workflow started, and what that starts meanwhile."
    for _ in range(20):
        left = started(mark)
        if not left: return
        for process in left:
            try: process.kill()
            except psutil.Error: pass
        psutil.wait_procs(left, 5)


@contextlib.contextmanager
def nothing_left():
    "In the end no workflow writes any more, whatever ends the test."
    try: yield
    finally:
        for mark in Workflow.marks: end_all(mark)


def words(process):
    try: return ' '.join(process.cmdline())[:160]
    except psutil.Error: return 'ended'


def left_after(mark, seconds=ENDS):
    "Command lines of processes that are still there so long after a kill."
    end = time.monotonic() + seconds
    while (left := started(mark)) and time.monotonic() < end: time.sleep(.2)
    found = [words(process) for process in left]
    end_all(mark)
    return found


# what it leaves

def record_files(root):
    "Of runs and studies: name -> file. What is put aside does not count."
    files = (root/'runs').rglob('run.json')
    return {f.parent.name: f for f in files if 'replaced' not in f.parts}


def records(root):
    "All records, and the SHA-256 of the weights beside them."
    runs = root/'runs'
    places = (str(runs), os.path.relpath(runs, root/'work'))
    found = {}
    for name, file in record_files(root).items():
        record = timeless(json.loads(file.read_text()), places)
        weights = {w.name: hashlib.sha256(w.read_bytes()).hexdigest()
                   for w in sorted(file.parent.glob('*.safetensors'))}
        found[name] = json.dumps([record, weights], sort_keys=True)
    return found


def has_ended(folder):
    "Whether papermill came to the end of its notebook."
    for notebook in folder.glob('*.ipynb'):
        try: noted = json.loads(notebook.read_text())['metadata']['papermill']
        except (ValueError, KeyError, OSError): return False
        return bool(noted.get('end_time')) and not noted.get('exception')
    return False


def finished(root):
    """Finished jobs: name -> inode and SHA-256 of the record, others when it was made again.
    (Its time says nothing: Snakemake sets that of all outputs after each job, also of one that found
    its record there.)"""
    found = {}
    for name, file in record_files(root).items():
        if not has_ended(file.parent): continue
        found[name] = (file.stat().st_ino, hashlib.sha256(file.read_bytes()).hexdigest())
    return found


# tests

class Test:
    "Counts cases, and collects what was wrong and what was measured."
    def __init__(self, root, seed, kills, turns):
        self.root, self.kills, self.turns = root, kills, turns
        self.rng = random.Random(seed)
        self.cases, self.numbers = 0, 0
        self.wrong, self.rows = [], []
        self.whole = None

    def folder(self):
        self.numbers += 1
        folder = self.root/f'{self.numbers}'
        folder.mkdir()
        return folder

    def check(self, is_right, what):
        self.cases += 1
        if not is_right: self.wrong.append(what)

    def untouched(self):
        "A workflow that nobody disturbed, its seconds; made once."
        if self.whole: return self.whole
        root, begin = self.folder(), time.monotonic()
        workflow = Workflow(root)
        status = workflow.finish()
        seconds = time.monotonic() - begin
        if status: raise RuntimeError(f'the workflow itself fails:\n{workflow.said()[-4000:]}')
        found = records(root)
        self.check(len(found) == 7, f'7 records expected, there are {sorted(found)}')
        self.whole = root, found, seconds
        return self.whole

    def same(self, root, what):
        "Check the records against those of the undisturbed workflow."
        want, found = self.untouched()[1], records(root)
        other = [name for name in want if found.get(name) != want[name]]
        self.check(not other and found.keys() == want.keys(), f'{what}: other records {other}, '
                   f'missing {sorted(want.keys() - found.keys())}')

    def once(self, before, root, what):
        "Check that what was finished before is the same file now."
        now = finished(root)
        again = [name for name, state in before.items() if now.get(name) != state]
        self.check(not again, f'{what}: done twice or lost: {again}')


def kernels(mark): return [p for p in started(mark) if 'ipykernel' in words(p)]


def notebook_of(kernel):
    "The executed notebook of a kernel: the second one that papermill, its parent, was given."
    try: return Path([word for word in kernel.parent().cmdline() if word.endswith('.ipynb')][1])
    except (psutil.Error, AttributeError, IndexError): return None


def last_cell_ended(notebook):
    "When the work of an executed notebook was done, in seconds since 1970; None when it was not."
    try: cells = json.loads(notebook.read_text())['cells']
    except (OSError, ValueError, KeyError): return None
    ends = [c['metadata'].get('papermill', {}).get('end_time') for c in cells]
    if not all(ends): return None
    times = [datetime.fromisoformat(end) for end in ends]
    return max(time.replace(tzinfo=time.tzinfo or timezone.utc).timestamp() for time in times)


def strike(t, workflow, kind):
    "Kill something of a workflow. Returns its notebook and the time; None when it was too late."
    if workflow.process.poll() is not None: return None
    struck = None, time.time()
    if kind == 'kernel':
        there = kernels(workflow.mark)
        if not there: return None
        kernel = t.rng.choice(there)
        struck = notebook_of(kernel), time.time()
        try: kernel.kill()
        except psutil.NoSuchProcess: return None
    elif kind == 'group': os.killpg(workflow.process.pid, signal.SIGKILL)
    else: os.kill(workflow.process.pid, signal.SIGKILL)
    return struck


def after_kill(t, workflow, kind, struck, what):
    """Check that nothing goes on that nobody waits for, and that a failed run's log is named.
    A kernel that was killed after its last cell, while it was being shut down, fails no run."""
    if kind == 'kernel':
        notebook, when = struck
        status, said = workflow.finish(), workflow.said()
        ended = notebook and last_cell_ended(notebook)
        was_done = ended is not None and ended <= when
        t.check(was_done or status != 0 and 'run.log' in said,
                f'{what}: status {status}, its log is not named:\n{said[-1500:]}')
    else: workflow.process.wait(20)
    left = left_after(workflow.mark)
    t.check(not left, f'{what}: {len(left)} processes are left: {left}')


def one_root(t, most):
    "A workflow that is killed up to so many times, then ends. Returns the number of kills."
    root, done, hits = t.folder(), {}, 0
    seconds = t.untouched()[2]
    for _ in range(3 * most):
        if hits == most: break
        workflow = Workflow(root)
        wait, kind = t.rng.uniform(0, seconds), t.rng.choice(['snakemake', 'group', 'kernel'])
        try: workflow.process.wait(wait)
        except subprocess.TimeoutExpired: pass
        what = f'{kind} killed after {wait:.1f} s'
        struck = strike(t, workflow, kind)
        if not struck:
            status = workflow.finish()
            t.check(status == 0, f'status {status} without a kill:\n{workflow.said()[-2000:]}')
        else:
            hits += 1
            after_kill(t, workflow, kind, struck, what)
        t.once(done, root, what)
        done = finished(root)
        if len(done) == 7: break
    workflow = Workflow(root)
    status = workflow.finish()
    t.check(status == 0, f'started again: status {status}:\n{workflow.said()[-2000:]}')
    t.once(done, root, 'started again')
    t.same(root, f'after {hits} kills')
    return hits


def test_killed(t):
    "Killed at random moments and started again: Snakemake, its process group, or one kernel."
    hits = 0
    while hits < t.kills: hits += one_root(t, min(4, t.kills - hits))
    t.rows.append({'kind': 'kills', 'n': hits, 'wrong': len(t.wrong)})
    return f'{hits} kills'


def test_clocks(t):
    "Records are compared without what a clock measured, and with all that was set."
    measured = {'seconds': 9., 'epoch_seconds': [1., 2.], 'seconds_per_shape_q25': .1, 'ms': 3.,
                'shapes_per_second': 5., 'wall_clock_s': 9., 'peak_memory_bytes': 7}
    kept = {'loss': [1., .5], 'second_accuracy': .9, 'frechet_second': 3.}
    record = {'config': {'seconds': 120., 'out': '/a/runs/x'}, 'provenance': {'commit': 'c'},
              'rows': [kept | measured], 'history': kept | measured}
    want = {'config': {'seconds': 120., 'out': 'ROOT/x'}, 'rows': [kept], 'history': kept}
    t.check(timeless(record, ['/a/runs']) == want, f'kept: {timeless(record, ["/a/runs"])}')


def wait_for(is_so, what, seconds=120):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end: raise TimeoutError(f'{what}: not within {seconds} s')
        time.sleep(.1)


def test_twice(t):
    "Two workflows on one plan: from one working folder, and from two."
    for apart in (False, True):
        root = t.folder()
        first = Workflow(root)
        wait_for(lambda: list((root/'runs').rglob('config.json')), 'a run that has begun')
        second = Workflow(root, work=root/'other' if apart else None)
        seen = {}
        while first.process.poll() is None or second.process.poll() is None:
            now = finished(root)
            t.check(all(now.get(n) == s for n, s in seen.items()), f'written over: {seen} {now}')
            seen = now
            if time.monotonic_ns() - int(first.mark.rpartition(':')[2]) > LIMIT * 1e9: break
            time.sleep(1)
        statuses = first.finish(1), second.finish(1)
        said = second.said()
        t.check(statuses == (0, 0), f'apart {apart}: statuses {statuses}:\n{said[-1500:]}')
        told = [line for line in said.splitlines() if 'waits' in line and 'in use by' in line]
        t.check(told, f'apart {apart}: the second does not say who holds a run:\n{said[-1500:]}')
        t.same(root, f'two at once, apart {apart}')


def changed_plan(root, run, **values):
    "A copy of the tiny plan with other values of one run; its name is the same."
    plan = yaml.safe_load(PLAN.read_text())
    notebook = PLAN.parent/plan['notebook']
    plan['notebook'] = str(notebook.resolve())
    for study in plan['studies'].values():
        study['notebook'] = str((PLAN.parent/study['notebook']).resolve())
    if run: plan['runs'][run] |= values
    file = root/'tiny.yaml'
    file.write_text(yaml.safe_dump(plan, sort_keys=False))
    return file


def test_changed(t):
    "Another parameter: that run and what needs it are made again, no other; nothing is lost."
    root = t.untouched()[0]
    before = finished(root)
    old = record_files(root)['b0'].read_bytes()
    again = {'b0', 'b1', 'study'}                           # b1 needs b0
    plan = changed_plan(t.folder(), 'b0', lr=.002)
    dry = Workflow(root, '--dry-run', plan=plan)
    t.check(dry.finish() == 0 and finished(root) == before, f'dry run: {dry.said()[-1500:]}')
    t.check(all(name in dry.said() for name in again) and '/a1' not in dry.said(),
            f'the dry run shows something else than {again}:\n{dry.said()[-2500:]}')
    workflow = Workflow(root, plan=plan)
    t.check(workflow.finish() == 0, f'changed: {workflow.said()[-2000:]}')
    now = finished(root)
    new = {name for name in before if now.get(name) != before[name]}
    t.check(new == again, f'made again: {sorted(new)}, expected {sorted(again)}')
    kept = [f.read_bytes() for f in (root/'runs').rglob('replaced/*/run.json')]
    t.check(old in kept, f'the old record is not among the {len(kept)} that are put aside')
    last = Workflow(root, plan=plan)
    t.check(last.finish() == 0 and finished(root) == now, f'not at rest: {last.said()[-1500:]}')
    t.whole = None                                          # it is no longer what it was


def end_soon(workflow):
    "Status of a workflow that should be refused; 0 when it goes on instead."
    try: return workflow.finish(60)
    except TimeoutError: return 0


def test_refused(t):
    "Bad input ends before anything starts, and its message names what was wrong."
    good = yaml.safe_load(changed_plan(t.folder(), None).read_text())
    def other(**entries): return {**good, **entries}
    runs = good['runs']
    cases = {'unknown key': (other(epochs=3), 'epochs'),
             'circle': (other(runs=runs | {'b0': {'needs': 'b1', 'seed': 0}}), 'needs'),
             'separator': (other(runs=runs | {'../x': {'seed': 9}}), '../x'),
             'unknown need': (other(runs=runs | {'x': {'needs': 'nobody', 'seed': 9}}), 'nobody'),
             'misspelt': (other(runs=runs | {'x': {'sead': 9}}), 'sead'),
             'study and run': (other(studies={'b0': good['studies']['study']}), 'b0'),
             'too many GPUs': (other(runs=runs | {'x': {'gpus': 99, 'cpu': False}}), '99')}
    for what, (plan, word) in cases.items():
        root = t.folder()
        file = root/'tiny.yaml'
        file.write_text(yaml.safe_dump(plan, sort_keys=False))
        workflow = Workflow(root, plan=file)
        status, said = end_soon(workflow), workflow.said()
        t.check(status != 0 and word in said and not list(root.rglob('*.ipynb')),
                f'{what}: status {status}, {word!r} not named or something began:\n{said[-1200:]}')
        t.check('Traceback' not in said, f'{what}: a traceback instead of a message')
    workflow = Workflow(t.folder(), plan=None, target=['nobody'])
    t.check(end_soon(workflow) != 0 and 'nobody' in workflow.said(),
            f'unknown target: {workflow.said()[-1200:]}')


# what it costs

def papermill(notebook, parameters, out):
    "One call, as everybody would type it."
    out.mkdir(parents=True)
    command = [sys.executable, '-W', 'ignore', '-m', 'papermill', '--no-progress-bar',
               '--log-level', 'ERROR', str(notebook), str(out/notebook.name), '-y',
               yaml.safe_dump({**parameters, 'out': str(out)})]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=LIMIT,
                   env={**os.environ, 'PYTHONPATH': str(ROOT)})


def bare(root):
    "The same notebooks without an engine, two at a time, the study last. Returns seconds."
    plan, begin = yaml.safe_load(PLAN.read_text()), time.monotonic()
    def run(name):
        own = {k: v for k, v in plan['runs'][name].items() if k != 'needs'}
        papermill((PLAN.parent/plan['notebook']).resolve(), plan['common'] | own, root/name)
    with ThreadPoolExecutor(2) as pool: list(pool.map(run, plan['runs']))
    study = PLAN.parent/plan['studies']['study']['notebook']
    papermill(study.resolve(), {'records': str(root)}, root/'study')
    return time.monotonic() - begin


def test_overhead(t):
    "The engine and the bare calls in turns, two at a time."
    pairs = []
    for turn in range(t.turns):
        seconds = bare(t.folder()/'tiny')
        begin = time.monotonic()
        workflow = Workflow(t.folder())
        t.check(workflow.finish() == 0, f'overhead: {workflow.said()[-1500:]}')
        pairs.append((seconds, time.monotonic() - begin))
        print(f'    turn {turn + 1}: {pairs[-1][0]:.1f} s bare, {pairs[-1][1]:.1f} s with Snakemake',
              flush=True)
    share = statistics.median(engine / alone for alone, engine in pairs) - 1
    t.rows += [{'kind': 'turn', 'bare_seconds': a, 'engine_seconds': b} for a, b in pairs]
    t.rows.append({'kind': 'overhead', 'share': share, 'goal': GOAL, 'n': len(pairs)})
    t.check(share < GOAL, f'the engine adds {share:.1%}, the goal is below {GOAL:.0%}')
    return f'{share:+.1%} over the bare calls (goal: below {GOAL:.0%})'


TESTS = {f.__name__.removeprefix('test_'): f for f in (
    test_clocks, test_refused, test_twice, test_killed, test_changed, test_overhead)}


def main(arguments):
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('names', nargs='*', help=f'some of {", ".join(TESTS)} (default: all)')
    p.add_argument('--seed', type=int, default=0, help='of the moments (default: 0)')
    p.add_argument('--kills', type=int, default=20, help='(default: 20)')
    p.add_argument('--turns', type=int, default=3, help='of the overhead (default: 3)')
    p.add_argument('--out', help='folder for a record (default: none)')
    args = p.parse_args(arguments)
    unknown = [n for n in args.names if n not in TESTS]
    if unknown: p.error(f'unknown test {unknown[0]!r}: choose some of {", ".join(TESTS)}')
    # a test that is ended ends what it has started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    begun, shared, failed = datetime.now(timezone.utc), device_shared('cpu'), 0
    with tempfile.TemporaryDirectory(prefix='workflow-') as folder, nothing_left():
        t = Test(Path(folder).resolve(), args.seed, args.kills, args.turns)
        for name in args.names or TESTS:
            begin, cases, wrong = time.monotonic(), t.cases, len(t.wrong)
            try: note = TESTS[name](t) or ''
            except (TimeoutError, RuntimeError) as e:
                note = 'broken off'
                t.check(False, str(e))
            bad, seconds = len(t.wrong) - wrong, time.monotonic() - begin
            print(f'{name:10} {t.cases - cases - bad:4} right {bad:3} wrong {seconds:5.0f} s  {note}',
                  flush=True)
            for what in t.wrong[wrong:]: print(f'    {what}', flush=True)
        failed = len(t.wrong)
        if args.out and not failed:
            config = {'seed': args.seed, 'kills': args.kills, 'turns': args.turns, 'cores': 2}
            print(write_record(args.out, experiment='workflow', config=config,
                               data={'name': 'digits'}, rows=t.rows, device='cpu', started=begun,
                               shared=shared))
    return int(bool(failed))


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
