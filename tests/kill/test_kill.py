"""Runs that are killed, two at once, on a full disk, without power: each ends with the same bits.

    python tests/kill/test_kill.py            about a minute, as `make test-kill`
    python tests/kill/test_kill.py --full     more moments of each kind
    python tests/kill/test_kill.py NAME...    some tests: moments, random, twice, owners, ...

A tiny transformer learns scikit-learn's digits for four epochs. It is killed, refused or cut off in
every way, and started again: losses and weights must be those of an untouched run."""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ['TQDM_DISABLE'] = '1'
os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT/'tools'/'fuzz')]

import torch
import apart
import disks
from runs import ENDS, EPOCHS, pictures, train
from mambaflow.studies.records import read_record, write_record
from mambaflow.training.trainer import saved_checkpoints

torch.set_num_threads(1)                # threads do not survive a fork
LIMIT = 30                              # seconds of work for one child
WATCHED = ('os.rename', 'os.remove', 'os.rmdir', 'os.mkdir', 'shutil.rmtree', 'os.truncate')


def brief(said):
    "What became of a child, in one line."
    return f'{said.state} {said.kind[:40]} {said.text[:300]}'


class Test:
    "Counts cases and collects what was wrong."
    def __init__(self, root, full):
        self.root, self.full, self.images = root, full, pictures()
        self.rng = random.Random(0)
        self.cases, self.numbers, self.full_disks = 0, 0, 0
        self.wrong = []
        self.want = self.run(root/'whole').value

    def run(self, out, **options):
        "Train in a child."
        return apart.alone(partial(train, out, self.images, **options), LIMIT)

    def folder(self):
        self.numbers += 1
        return self.root/f'run{self.numbers}'

    def same(self, said):
        "Whether a run ended with the bits of the uninterrupted one."
        return all(said.value[k] == self.want[k] for k in ENDS)

    def check(self, is_right, what):
        self.cases += 1
        if not is_right: self.wrong.append(what)

    def ends_right(self, out, what, **options):
        "Start the run again: it ends with the right bits, and nothing is left over."
        said = self.run(out, **options)
        if said.state != 'returned': return self.check(False, f'{what}: {brief(said)}')
        same = self.same(said)
        left = [p.name for p in out.rglob('.tmp-*')]
        self.check(same and not left,
                   f'{what}: {"the same" if same else "other"} bits, left over: {left}')


# killed

def watch(out, at=None, after=None):
    "Count what this process does to a folder, or end it before the event of a number."
    events, place = [], str(out)
    def event(name, path):
        if place not in str(path): return
        if len(events) == at: os.kill(os.getpid(), signal.SIGKILL)
        events.append(f'{name} {os.path.basename(str(path))}')
    def hook(name, args):
        if name in WATCHED: event(name, args[1] if name == 'os.rename' else args[0])
        elif name == 'open' and args[2] & apart.WRITES: event(name, args[0])
    real = os.fsync
    def fsync(descriptor):
        event('fsync', os.readlink(f'/proc/self/fd/{descriptor}'))
        real(descriptor)
    os.fsync = fsync
    sys.addaudithook(hook)
    return events


def watched(out, images, at=None):
    events = watch(out, at)
    train(out, images)
    return events


def test_moments(t):
    "Killed just before a file is written, flushed, renamed or deleted."
    events = apart.alone(partial(watched, t.root/'counted', t.images), LIMIT).value
    renames = [i for i, name in enumerate(events) if name.startswith('os.rename')]
    others = [i for i in range(len(events)) if i not in renames]
    chosen = range(len(events)) if t.full else sorted({*renames, 0, len(events) - 1,
                                                       *t.rng.sample(others, 12)})
    for at in chosen:
        out = t.folder()
        said = apart.alone(partial(watched, out, t.images, at), LIMIT)
        t.check(said.state == 'died',
                f'event {at} ({events[at]}): it was to be killed, but {said.state}')
        t.ends_right(out, f'killed before event {at}, {events[at]}')
    return f'{len(events)} events, {len(renames)} of them renames'


def imported(out, images):
    "Train, and name the modules that this has imported."
    before = set(sys.modules)
    train(out, images)
    return sorted(set(sys.modules) - before)


def test_imports(t):
    "A child finds its modules in memory: imported in each, they would be nine tenths of its work."
    said = apart.alone(partial(imported, t.folder(), t.images), LIMIT)
    t.check(said.state == 'returned' and len(said.value) < 20,
            f'{len(said.value or [])} modules, such as {(said.value or [])[:5]}: {brief(said)}')
    return f'{said.seconds:.1f} s of CPU for a run'


def kill_later(t, out, seconds, **options):
    "Start a run in a child and kill it after a while."
    child = apart.Child(partial(train, out, t.images, **options), LIMIT, reads_only=False)
    time.sleep(seconds)
    try: os.kill(child.pid, signal.SIGKILL)
    except ProcessLookupError: pass
    return child.result()


def test_random(t):
    "Killed at random times, several times in a row."
    begin = time.monotonic()
    t.run(t.folder())
    whole = time.monotonic() - begin
    for _ in range(60 if t.full else 10):
        out = t.folder()
        waits = [t.rng.uniform(0, whole) for _ in range(t.rng.randint(1, 3))]
        for wait in waits: kill_later(t, out, wait)
        t.ends_right(out, f'killed after {waits}')


# two at once

def start(t, out, at=0., **options):
    "A run in a child, from a time on."
    def work():
        while time.monotonic() < at: pass
        return train(out, t.images, **options)
    return apart.Child(work, LIMIT, reads_only=False)


def slow(epoch): time.sleep(.15)


def finish(child):
    "Wait for a child."
    while child.left() > 0 and not child.read(): pass
    return child.result()


def wait_for(path, seconds=20):
    "Until a path is there. Raises TimeoutError."
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end: raise TimeoutError(f'{path} did not come within {seconds} s')
        time.sleep(.01)


def test_twice(t):
    "Two or three processes on one folder: one finishes, the others learn who holds it."
    for delay, count in [(0, 2), (.2, 2), (0, 3)] * (5 if t.full else 1):
        out, children = t.folder(), []
        for _ in range(count):
            children.append(start(t, out, each=slow))
            time.sleep(delay)
        said = [finish(c) for c in children]
        done = [s for s in said if s.state == 'returned']
        refused = [s for s in said if 'FolderInUse' in s.kind.split()]
        t.check(len(done) == 1 and len(refused) == count - 1,
                f'{count} at once: {[(s.state, s.text[:120]) for s in said]}')
        holder = [str(c.pid) for c, s in zip(children, said) if s in done]
        t.check(all(holder[0] in s.text and str(out) in s.text for s in refused) if holder
                else False,
                f'the holder {holder} is not named: {[s.text[:200] for s in refused]}')
        t.ends_right(out, 'after two at once')


def test_different(t):
    "Two different runs that claim one empty folder: one gets it, and it stays whole."
    for _ in range(20 if t.full else 6):
        out = t.folder()
        at = time.monotonic() + .2                      # both at once
        children = [start(t, out, at, seed=seed, each=slow) for seed in (0, 1)]
        said = [finish(c) for c in children]
        states = sorted(s.state for s in said)
        t.check(states == ['raised', 'returned'],
                f'two different runs: {[(s.state, s.text[:150]) for s in said]}')
        loser = next((s for s in said if s.state == 'raised'), None)
        kinds = loser.kind.split() if loser else []
        t.check(loser is None or str(out) in loser.text
                and {'FolderInUse', 'ValueError'} & set(kinds),
                f'the second ends with: {loser}')


def leave_behind(kind):
    "Something that this process starts lives on after it."
    def each(epoch):
        if kind == 'fork' and os.fork() == 0:
            os.setsid()
            time.sleep(20)
            os._exit(0)
        if kind == 'program': subprocess.Popen(['sleep', '20'], start_new_session=True)
        time.sleep(60)
    return each


def test_owners(t):
    "A lock dies with its owner, whatever that has started; an owner that only sleeps keeps it."
    for kind in ('nothing', 'fork', 'program'):
        out = t.folder()
        child = start(t, out, each=leave_behind(kind))
        time.sleep(1.5)
        os.kill(child.pid, signal.SIGKILL)
        child.result()
        t.ends_right(out, f'after an owner that left {kind} behind')
    out = t.folder()
    child = start(t, out, each=lambda epoch: time.sleep(1))
    wait_for(out/'config.json')
    os.kill(child.pid, signal.SIGSTOP)
    said = t.run(out)
    t.check('FolderInUse' in said.kind.split() and said.seconds < 10,
            f'an owner that is stopped: {said}')
    os.kill(child.pid, signal.SIGCONT)
    t.check(finish(child).state == 'returned', 'an owner that was stopped goes on')
    t.ends_right(out, 'after an owner that was stopped')


# full disks

def names_full_disk(said, place):
    "Whether an error says that the disk is full, and names a file on it."
    is_full = any(word in said.text.lower() for word in ('full', 'no space'))
    return 'OSError' in said.kind.split() and is_full and str(place) in said.text


def test_full(t):
    "The disk fills up in the middle of a run; with room again it goes on, with every checkpoint."
    reason = disks.no_mounts(t.root)
    if reason: return f'skipped: {reason}'
    lefts = (0, 4, 30, 60, 120, 250) if t.full else (0, 30, 120)
    for epoch in range(1, EPOCHS + 1):
        for left in lefts:
            with disks.ext4(t.folder(), 8) as place: fill_at(t, place, epoch, left << 10)
    for size in range(40, 700, 30 if t.full else 110):
        with disks.tmpfs(t.folder(), f'{size}k') as place: too_small(t, place, size)
    return f'{t.full_disks} disks were full'


def fill_at(t, place, epoch, left):
    "Fill a disk after an epoch, before its checkpoint is saved."
    what = f'full after epoch {epoch} but for {left} bytes'
    def each(done):
        if done == epoch: disks.fill(place/'filler', left)
    said = t.run(place/'run', each=each)
    t.full_disks += said.state == 'raised'
    if said.state == 'returned': return t.check(t.same(said), f'{what}: other bits')
    t.check(names_full_disk(said, place), f'{what}: {brief(said)}')
    kept = saved_checkpoints(place/'run')
    t.check(len(kept) >= min(2, epoch - 1), f'{what}: only {[k.name for k in kept]} are kept')
    (place/'filler').unlink()
    goes_on(t, place/'run', what, len(kept))


def goes_on(t, out, what, kept):
    "The newest checkpoint is used: none was lost."
    newest = int(saved_checkpoints(out)[-1].name.removeprefix('epoch_')) if kept else 0
    epochs = []
    said = t.run(out)
    if said.state != 'returned': return t.check(False, f'{what}: {brief(said)}')
    epochs = said.value['epochs']
    expected = list(range(newest + 1, EPOCHS + 1))
    same = t.same(said)
    left = [p.name for p in out.rglob('.tmp-*')]
    t.check(same and epochs == expected and not left and not said.warned,
            f'{what}: {"equal" if same else "other"} bits, epochs {epochs} instead of {expected}, '
            f'left {left}, warned {said.warned}')


def too_small(t, place, size):
    "A disk that cannot hold the run; then it can."
    said = t.run(place/'run')
    t.full_disks += said.state == 'raised'
    if said.state == 'returned': return t.check(t.same(said), f'{size} kB: other bits')
    t.check(names_full_disk(said, place), f'{size} kB: {brief(said)}')
    disks.enlarge(place, '16m')
    goes_on(t, place/'run', f'{size} kB', len(saved_checkpoints(place/'run')))


def test_records(t):
    "A record that cannot be written leaves the one before as it was."
    reason = disks.no_mounts(t.root)
    if reason: return f'skipped: {reason}'
    options = dict(experiment='kill', config={}, data={}, device='cpu')
    with disks.ext4(t.folder(), 4) as place:
        write_record(place/'run', **options, rows=[{'n': 1}])
        disks.fill(place/'filler', 0)
        rows = [{'n': i} for i in range(5000)]
        said = apart.alone(partial(_write, place/'run', rows, options), LIMIT)
        t.check(names_full_disk(said, place/'run'/'run.json'),
                f'a record on a full disk: {brief(said)}')
        t.check(read_record(place/'run'/'run.json')['rows'] == [{'n': 1}],
                'the record before is lost')
        t.check([p.name for p in (place/'run').iterdir()] == ['run.json'], 'something is left over')


def _write(folder, rows, options): return str(write_record(folder, **options, rows=rows))


# power

def flushed(out, images):
    "Train, and note what is renamed before its bytes are on the disk."
    on_disk, unsafe, names = set(), [], []
    def state(path):
        s = os.stat(path)
        return s.st_ino, s.st_size, s.st_mtime_ns
    real = os.fsync
    def fsync(descriptor):
        real(descriptor)
        path = os.readlink(f'/proc/self/fd/{descriptor}')
        on_disk.add(state(path))
        names[:] = [n for n in names if os.path.dirname(n) != path]
    def hook(name, args):
        if name != 'os.rename' or str(out) not in str(args[1]): return
        source = Path(args[0])
        unsafe.extend(f'renamed, but its folder was not flushed: {n}' for n in names)
        names[:] = [os.path.realpath(args[1])]
        if '.tmp-' not in source.name: return
        inside = [source, *source.rglob('*')]
        unsafe.extend(f'not flushed before its rename: {p.relative_to(out)}' for p in inside
                      if state(p) not in on_disk)
    os.fsync = fsync
    sys.addaudithook(hook)
    train(out, images)
    return unsafe + [f'renamed last, but its folder was not flushed: {n}' for n in names]


def test_flushed(t):
    "Every file and folder is flushed before a rename counts."
    said = apart.alone(partial(flushed, t.folder(), t.images), LIMIT)
    t.check(said.state == 'returned' and not said.value, f'{said.value or said.text}')


def test_power(t):
    "The disk of a machine that lost its power while it trained: the run goes on."
    reason = disks.no_mounts(t.root)
    if reason: return f'skipped: {reason}'
    many = 16 if t.full else 6
    base, copies = t.folder(), []
    with disks.ext4(base, 16) as place:
        pause = 7. / EPOCHS / (1 if t.full else 1.6)
        child = start(t, place/'run', each=lambda epoch: time.sleep(pause))
        for k in range(many):
            time.sleep(pause * EPOCHS / many)
            copies.append(t.root/f'copy{k}.img')
            disks.copy_image(base, copies[-1])
        t.check(finish(child).state == 'returned', 'the run itself')
    for k, copy in enumerate(copies):
        with disks.mounted(copy, t.root/f'copy{k}') as place:
            before = {f.name: f.stat().st_size for f in place.rglob('*') if f.is_file()}
            t.ends_right(place/'run',
                         f'without power at moment {k} of {many}, with the files {before}')


# this test itself

def test_ended(t):
    "Ended while a run writes to a disk of its own, it leaves neither process, mount nor file."
    reason = disks.no_mounts(t.root)
    if reason: return f'skipped: {reason}'
    for number in (signal.SIGINT, signal.SIGTERM):
        place = t.folder()
        place.mkdir()
        command = [sys.executable, __file__, 'power']
        other = subprocess.Popen(command, env={**os.environ, 'TMPDIR': str(place)},
                                 stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not list(place.glob('kill-*/run*/run/checkpoints/epoch_*')):
            if time.monotonic() > end or other.poll() is not None: break
            time.sleep(.05)
        t.check(other.poll() is None, f'{number.name}: it ended before it was ended')
        other.send_signal(number)
        status = other.wait(30)
        t.check(status == 128 + number, f'{number.name}: status {status}')
        time.sleep(1)                       # in which a run that goes on would write
        left = [str(p) for p in place.iterdir()]
        mounts = [m for m in Path('/proc/mounts').read_text().splitlines() if str(place) in m]
        t.check(not left and not mounts, f'{number.name}: left over: {left} {mounts}')


TESTS = {f.__name__.removeprefix('test_'): f for f in (
    test_imports, test_moments, test_random, test_twice, test_different, test_owners, test_full,
    test_records, test_flushed, test_power, test_ended)}


def main(names):
    full = '--full' in names
    chosen = [n for n in names if n != '--full'] or list(TESTS)
    unknown = [n for n in chosen if n not in TESTS]
    if unknown: sys.exit(f'unknown test {unknown[0]!r}: choose some of {", ".join(TESTS)}')
    failed = 0
    apart.end_with_parent()
    for name in chosen:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix='kill-') as root:
            t = Test(Path(root), full)
            note = TESTS[name](t) or ''
        failed += len(t.wrong)
        seconds, right = time.monotonic() - begin, t.cases - len(t.wrong)
        print(f'{name:10} {right:4} right {len(t.wrong):3} wrong {seconds:5.0f} s  {note}',
              flush=True)
        for what in t.wrong: print(f'    {what}', flush=True)
    return int(bool(failed))


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
