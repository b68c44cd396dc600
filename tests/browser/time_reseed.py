"""How long a new seed takes in the live stepper: in JupyterLab, with the weights of this repository.

    python tests/browser/time_reseed.py [SEEDS]

Prints medians over seeds that nobody has computed before: until noise, first model and all models
are drawn, and the processor's time of kernel, browser, server and everything else on this machine.
Milliseconds until something is drawn mean little where the last is not small.
"""
import statistics
import sys
import tempfile
from pathlib import Path

import psutil
from test_stepper import NOTEBOOK, ROOT, Live, kernels, launch, make_root, start_lab

WATCH = """seed => new Promise(finish => {
  const root = document.querySelector('.mf-stepper');
  const status = root.querySelector('.mf-status');
  const costs = [...root.querySelectorAll('.mf-cost')];
  const start = performance.now();
  const times = {};
  const look = () => {
    const now = {
      noise: status.textContent.includes(`seed ${seed},`),
      first: costs.some(cost => cost.textContent.includes('ms')),
      all: !root.classList.contains('mf-busy'),
    };
    for (const [name, there] of Object.entries(now)) {
      if (!there || name in times || !('noise' in times || name === 'noise')) continue;
      times[name] = null;
      const seen = () => { times[name] = performance.now() - start; if (name === 'all') finish(times); };
      requestAnimationFrame(() => setTimeout(seen));            // when the frame has been drawn
    }
  };
  const options = {subtree: true, childList: true, characterData: true, attributes: true};
  new MutationObserver(look).observe(root, options);
  const field = root.querySelector('input.mf-seed');
  Object.assign(field, {value: seed}).dispatchEvent(new Event('change'));
})"""


def cpu_ms(groups):
    "The processor's time so far: of each group of processes, and of all else."
    ms = {f'{name} CPU': 1e3 * sum(sum(process.cpu_times()[:2]) for process in group)
          for name, group in groups.items()}
    whole = psutil.cpu_times()
    busy = 1e3 * (sum(whole) - whole.idle - whole.iowait - whole.guest)
    return ms | {'other CPU': busy - sum(ms.values())}


def time_seeds(live, lab, count):
    "Of each seed the milliseconds until it is drawn, and those of the processor."
    mine = psutil.Process().children(recursive=True)
    groups = {'kernel': kernels(lab), 'browser': [p for p in mine if 'chrom' in p.name()],
              'server': [psutil.Process(lab.server.pid)]}
    rows = []
    for seed in range(1000, 1000 + 100 * count, 100):
        live.page.wait_for_timeout(1500)
        before = cpu_ms(groups)
        row = live.page.evaluate(WATCH, seed)
        rows.append(row | {name: ms - before[name] for name, ms in cpu_ms(groups).items()})
    return rows


def main(count=9):
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_root(home/'repo')
        (home/'repo'/'outputs').symlink_to(ROOT/'outputs')
        for lab in start_lab(home, home/'repo'):
            live = Live(launch(), lab, NOTEBOOK)
            rows = time_seeds(live, lab, count)
            assert live.errors == []
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f'{name:12} median {statistics.median(values):5.0f} ms, '
              f'{min(values):5.0f} to {max(values):5.0f}, of {count} seeds')


if __name__ == '__main__': main(*map(int, sys.argv[1:]))
