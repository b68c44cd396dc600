"""Attack the package with damaged and harmful files, and count what becomes of it.

    python tools/fuzz                                   five minutes, seed 0
    python tools/fuzz --seed 7 --minutes 2              other cases, less of them
    python tools/fuzz --kinds weights,plans             only some kinds
    python tools/fuzz --only weights:812 --seed 7       one case again, with its traceback
    python tools/fuzz --alterations 500                 alterations of a run's newest checkpoint

Right is: the same bits, or fallen back and said so, or refused by an error that names the file. In
a file without a hash a changed number cannot be noticed: such cases are counted as `data`.
Everything else is a FAIL, and ends with status 1: silence, other bits, other errors, code that is
run, more than ten seconds of work, more than 500 MB above the size of the file."""
import argparse
import itertools
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

os.environ['TQDM_DISABLE'] = '1'                        # of the children
os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import apart
from commands import Commands
from inputs import Configs, Pictures, Plans, Records
from runs import NEWEST, Runs
from weights import Weights
from mambaflow.studies.records import device_shared, write_record

torch.set_num_threads(1)                                # threads do not survive a fork
KINDS = {'runs': Runs, 'weights': Weights, 'pictures': Pictures, 'records': Records, 'plans': Plans,
         'configs': Configs, 'commands': Commands}
SHARES = {'runs': 28, 'weights': 25, 'pictures': 17, 'records': 9, 'plans': 9, 'configs': 2,
          'commands': 10}
GOES_ON = .95          # goal: share of the alterations after which the checkpoint before is used
TOLD = 'fell back and said so'


def short(outcome):
    "The outcome without its details."
    return ':'.join(outcome.split(':')[:2]) if outcome.startswith('FAIL') else outcome


class Progress:
    "One line on a terminal, nothing elsewhere."
    def __init__(self, name, total, unit):
        self.name, self.total, self.unit = name, total, unit
        self.begin = self.shown = time.monotonic()

    def show(self, done, count, failed, last=False):
        if not sys.stderr.isatty() or not last and time.monotonic() - self.shown < .2: return
        self.shown = time.monotonic()
        bar = '#' * round(20 * min(1, done / self.total))
        print(f'\r{self.name:10} [{bar:20}] {done:.0f}/{self.total:.0f} {self.unit}, '
              f'{count} cases, {failed} failed ', end='\n' if last else '', file=sys.stderr,
              flush=True)


def attack(kind, seed, indices, seconds, workers):
    "Run cases until the time is over. Returns outcome -> count, and those that failed."
    begin, counts, failed = time.monotonic(), Counter(), []
    name = kind.name
    progress = Progress(name, seconds, 's')
    def jobs():
        for index in indices:
            if time.monotonic() - begin > seconds: return
            what, start, judge = kind.case(index)
            yield (index, what), start, judge
    for (index, what), outcome, said in apart.many(jobs(), workers):
        counts[short(outcome)] += 1
        if outcome.startswith('FAIL'):
            failed.append((index, what, outcome))
            print(f'{name}:{index} {what}\n    {outcome}', flush=True)
        elif name == 'alterations' and outcome != TOLD:
            print(f'{name}:{index} {what}\n    {outcome}: {said.text[:200]}', flush=True)
        progress.show(time.monotonic() - begin, counts.total(), len(failed))
    progress.show(time.monotonic() - begin, counts.total(), len(failed), last=True)
    return counts, failed


def table(found):
    "Kinds and outcomes with their counts."
    lines = []
    for kind, counts in found.items():
        for outcome, n in counts.most_common(): lines.append(f'{kind:12}{n:7}  {outcome}')
    return '\n'.join(lines)


def word(outcome):
    "An outcome as a value of a record: one word."
    text = outcome.replace('FAIL: ', 'FAIL/').replace(' ', '_')
    return ''.join(c for c in text if c.isalnum() or c in '_/.-')


def write(args, found, started, shared):
    "A record of what was counted."
    rows = [{'kind': kind, 'outcome': word(outcome), 'n': n}
            for kind, counts in found.items() for outcome, n in counts.items()]
    config = {'seed': args.seed, 'minutes': args.minutes, 'alterations': args.alterations}
    return write_record(args.out, experiment='fuzz', config=config, data={'name': 'digits'},
                        rows=rows, device='cpu', started=started, shared=shared)


def alterations(root, seed, count, workers):
    "So many alterations of the newest checkpoint. Returns the counts, and whether the goal is met."
    kind = Runs(root, seed, NEWEST, 'alterations')
    counts, failed = attack(kind, seed, range(count), float('inf'), workers)
    share = counts[TOLD] / count
    print(f'{count} alterations of the newest checkpoint: {count - len(failed)} named, {share:.1%} '
          f'went on from the checkpoint before (goal: all, {GOES_ON:.0%})')
    return counts, not failed and share >= GOES_ON


def parser():
    p = argparse.ArgumentParser(prog='python tools/fuzz', description=__doc__.split('\n')[0])
    p.add_argument('--seed', type=int, default=0, help='of all cases (default: 0)')
    p.add_argument('--minutes', type=float, default=5., help='in all (default: 5)')
    p.add_argument('--workers', type=int, default=2, help='cases at a time (default: 2)')
    p.add_argument('--kinds', default=','.join(KINDS), help=f'some of {",".join(KINDS)}')
    p.add_argument('--only', metavar='KIND:INDEX', help='one case, with its traceback')
    p.add_argument('--alterations', type=int, metavar='N',
                   help='N alterations of the newest checkpoint of a run, instead of the rest')
    p.add_argument('--out', help='folder for a record of the counts (default: none)')
    return p


def make(name, root, seed):
    "The cases of one kind, in a folder of their own."
    folder = root/name
    folder.mkdir()
    if name == 'alterations': return Runs(folder, seed, NEWEST, name)
    if name in KINDS: return KINDS[name](folder, seed)
    raise SystemExit(f'unknown kind {name!r}: choose some of {", ".join(KINDS)}')


def repeat(root, seed, case):
    "One case with all that it says."
    name, _, index = case.partition(':')
    kind = make(name, root, seed)
    os.environ['FUZZ_TRACEBACK'] = '1'
    what, start, judge = kind.case(int(index))
    print(what, flush=True)
    [(_, outcome, said)] = apart.many([(0, start, judge)], 1)
    print(f'{outcome}\nwarned: {said.warned}\n{said.seconds:.2f} s, {said.peak / 1e6:.0f} MB')
    return outcome.startswith('FAIL')


def run(args, root):
    "Returns the exit status."
    started, shared = datetime.now(timezone.utc), device_shared('cpu')
    if args.only: return int(repeat(root, args.seed, args.only))
    if args.alterations:
        (root/'runs').mkdir()
        counts, good = alterations(root/'runs', args.seed, args.alterations, args.workers)
        found = {'alterations': counts}
    else:
        names = args.kinds.split(',')
        total, found, good = sum(SHARES.get(n, 1) for n in names), {}, True
        for name in names:
            begin = time.monotonic()
            kind = make(name, root, args.seed)
            seconds = 60 * args.minutes * SHARES[name] / total - (time.monotonic() - begin)
            found[name], failed = attack(kind, args.seed, itertools.count(), seconds, args.workers)
            good = good and not failed
    print(table(found))
    if args.out: print(write(args, found, started, shared))
    if not good:
        print(f'FAILED; a case again: python tools/fuzz --seed {args.seed} --only KIND:INDEX')
    return int(not good)


def main():
    args = parser().parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    apart.end_with_parent()
    memory = Path('/dev/shm')                           # nothing of this need last
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix='fuzz-', dir=place) as tmp: return run(args, Path(tmp))


if __name__ == '__main__': sys.exit(main())
