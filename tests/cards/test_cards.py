"""Do the kernels fit on every card: all cases of `mambaflow.ssm.gpu.cards`, compiled without a GPU.

    python tests/cards/test_cards.py                  all cards and precisions, as `make test-cards`
    python tests/cards/test_cards.py sm_86 float16    one card in one precision

Each card and precision is a process of its own, as many at a time as there are processors. What was
compiled once stays in Triton's cache, so that a second run takes a minute."""
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pandas as pd
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from mambaflow.ssm.gpu import cards  # noqa: E402

PRECISIONS = ('float16', 'bfloat16', 'float32')
LIMIT = 1800               # seconds for one card in one precision


def compile_all(card, precision):
    "What every case needs."
    dtype = getattr(torch, precision)
    others = {} if precision == 'bfloat16' else cards.OTHERS  # it compiles as float16 does
    return cards.needs([card], [dtype], {**cards.USUAL, **others})


def in_a_process(card, precision):
    "The same in a fresh process with one thread; raises RuntimeError with its last lines."
    env = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'}
    command = [sys.executable, '-W', 'ignore', __file__, '--child', card, precision]
    start = time.monotonic()
    done = subprocess.run(command, env={**env, 'OMP_NUM_THREADS': '1'}, cwd=ROOT, text=True,
                          capture_output=True, timeout=LIMIT)
    if done.returncode: raise RuntimeError(f'{card}, {precision}:\n{done.stderr[-3000:]}')
    rows = json.loads(done.stdout.splitlines()[-1])
    return [cards.Kernel(*row) for row in rows], time.monotonic() - start


def check(names, precisions):
    "Compile, print what each needs, and what does not fit. Returns the exit status."
    kernels, failed = [], []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {pool.submit(in_a_process, card, p): f'{card}, {p}'
                for p in precisions for card in names}
        for job in as_completed(jobs):
            try: found, seconds = job.result()
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                failed.append(f'{jobs[job]}: {e}')
                continue
            kernels += found
            print(f'{jobs[job]:18} {len(found):3} kernels, {seconds:4.0f} s', flush=True)
    if kernels: print(cards.table(kernels).to_string())
    problems = failed + cards.problems(kernels)
    for line in problems: print(f'FAILED {line}')
    print(f'{len(kernels)} kernels compiled, {len(problems)} problems')
    return 1 if problems or not kernels else 0


def main(arguments):
    "The cards and precisions that are named, or all."
    if arguments[:1] == ['--child']:
        print(json.dumps(compile_all(*arguments[1:])))
        return 0
    unknown = set(arguments) - {*cards.CARDS, *PRECISIONS}
    if unknown:
        sys.exit(f'unknown: {", ".join(sorted(unknown))}; expected {", ".join(cards.CARDS)} or '
                 f'{", ".join(PRECISIONS)}')
    names = [card for card in cards.CARDS if card in arguments] or list(cards.CARDS)
    precisions = [p for p in PRECISIONS if p in arguments] or PRECISIONS
    pd.set_option('display.width', 250, 'display.max_columns', None)
    return check(names, precisions)


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
