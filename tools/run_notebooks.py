"""Run notebooks as tests, two at a time, each within a time limit: `python tools/run_notebooks.py [PATH...]`.

As `nbdev_test`, and besides: a notebook that does not end in time fails, what a test skips is shown,
and the last line counts. A PATH is a notebook or a folder; without one all of nbs/ is run."""
import contextlib
import faulthandler
import gc
import os
import random
import resource
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from execnb.shell import CaptureShell
from nbdev.process import NBProcessor

ROOT = Path(__file__).resolve().parent.parent
LIMIT = int(os.environ.get('LIMIT', 300)) # seconds for one notebook; the slowest takes about 60 on two quiet cores
SEED = int(os.environ.get('SEED', 0))     # of what a notebook draws without a seed of its own; others show what hangs on chance
WORKERS = 2
WITHOUT = ROOT/'tools'/'without'   # what processes that the tests start need not load or do
# imported once; each notebook runs in a process of its own that is forked from there
LIBRARIES = ('torch', 'torch._dynamo', 'torch._functorch.aot_autograd', 'torch._inductor.pattern_matcher', 'torchvision',
             'accelerate', 'numba',
             'matplotlib.pyplot', 'matplotlib_inline.config', 'pandas', 'pandas.io.formats.style',
             'scipy.interpolate', 'scipy.ndimage', 'scipy.optimize', 'scipy.stats', 'sklearn.datasets', 'sklearn.neighbors',
             'skimage.metrics', 'torchdiffeq', 'ipywidgets', 'nbformat', 'nbclient', 'papermill',
             'fastcore.test', 'nbdev.process', 'execnb.shell', 'sqlite3', 'IPython.core.magics',
             # last: it registers an operator, for which torch looks for the sources of all modules that are there
             'torch.distributed.tensor.experimental')
FRESH = get_context('forkserver')
# begun first, the longest first, so that none is left when the other worker has nothing more to do
SLOW = ('02_model', '06_trainer', '04_conformance', 'train_judge', '10_worker', '05_judge', '03_neighbours',
        '09_volumes', '04_ssd', '07_mamba2', '06_hierarchy', 'several_gpus', '02_samplers', 'cost', '04_mask_check',
        '03_metrics', '06_diffusion', '04_reconstruct', '01_scan', '03_scan', 'every_scale', '06_benchmarks',
        '01_sample', 'step', '03_mamba', 'tour', '07_backbones', '03_stepper', '05_rivals', 'plans', '04_multiscale',
        'quality', '08_runs', '05_conv', '03_records', '03_photos', 'calibration', 'labels', '05_latents',
        'which_sampler', 'scan', '02_weights', '05_processes', '05_likelihood', '07_shortcut', '03_posterior')

class Result(NamedTuple):
    "What became of a notebook."
    file: Path
    error: str              # empty when it passed
    seconds: float
    skipped: list[str]      # what its tests say that they skip
    work: float = 0         # seconds of CPU, of its children too: what other work of the machine hardly changes

def not_run(cell) -> bool:
    "Whether a cell is text, or marked not to be evaluated."
    if cell.cell_type != 'code': return True
    directives = getattr(cell, 'directives_', None) or {}
    return directives.get('eval:', [''])[0].lower() == 'false'

def skips(nb) -> list[str]:
    "Lines of a notebook's outputs that say what was skipped."
    outputs = [o for c in nb.cells for o in c.get('outputs', [])]
    streams = [''.join(o.get('text', '')) for o in outputs if o.get('output_type') == 'stream']
    lines = '\n'.join(streams).splitlines()
    return [line.strip() for line in lines if line.startswith('skipped')]

def out_of_time(signum, frame): raise TimeoutError(f'not finished within {LIMIT} s')

def cpu_seconds() -> float:
    "Time that this process and its ended children have computed."
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)

def spare(shell):
    """What saves time and leaves the tests as they are: pictures are drawn in full, but small, and their
    parts are not moved until nothing overlaps, which takes longer than drawing them."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib_inline.config import InlineBackend
    InlineBackend.instance(parent=shell).print_figure_kwargs = {'bbox_inches': None, 'dpi': 30}
    ConstrainedLayoutEngine.execute = lambda engine, figure: None
    gc.freeze()                 # what the libraries brought stays: it need not be searched again

def seed_all():
    "PyTorch begins every process with another seed: without this a test could pass today and fail tomorrow."
    import numpy
    import torch
    random.seed(SEED)
    numpy.random.seed(SEED)
    torch.manual_seed(SEED)

def run(file:Path) -> Result:
    """Run one notebook in its folder. What hangs in compiled code, where no signal is seen, ends it.
    A crash prints the lines that every thread was at."""
    faulthandler.enable()
    start = time.monotonic()
    os.environ['IN_TEST'] = '1'
    sys.path.insert(0, str(ROOT))
    nb = NBProcessor(file, process=True).nb
    shell = CaptureShell(file)
    spare(shell)
    seed_all()
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LIMIT)
    faulthandler.dump_traceback_later(LIMIT + 30, exit=True)
    try:
        with contextlib.chdir(file.parent): shell.run_all(nb, exc_stop=True, preproc=not_run)
        error = ''
    except BaseException: error = shell.prettytb(fname=file)
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    return Result(file, error, time.monotonic() - start, skips(nb), cpu_seconds())

def send_result(file:Path, answers): answers.send(run(file))

def how_it_ended(code:int) -> str:
    "What an exit status without a result means."
    if code >= 0: return f'its process ended itself, with exit status {code}'
    return f'its process was ended by {signal.Signals(-code).name}; a crash prints its lines, above'

def run_apart(file:Path) -> Result:
    "Run one notebook in a fresh process: those of ssm register the package's operators again."
    start = time.monotonic()
    receive, send = FRESH.Pipe(duplex=False)
    own = FRESH.Process(target=send_result, args=(file, send))
    own.start()
    send.close()                # the process has its own: when that one is closed too, it has ended
    try: result = receive.recv()
    except EOFError: result = None
    own.join()
    return result or Result(file, how_it_ended(own.exitcode), time.monotonic() - start, [])

def notebooks(paths:list[Path]) -> list[Path]:
    "The notebooks of files and folders, slow ones first; hidden folders are left out."
    files = [f for p in paths for f in (sorted(p.rglob('*.ipynb')) if p.is_dir() else [p])]
    shown = [f.resolve() for f in files if not any(part.startswith('.') for part in f.parts[1:])]
    return sorted(shown, key=lambda f: SLOW.index(f.stem) if f.stem in SLOW else len(SLOW))

def show(result:Result):
    "One line for a notebook, and its error."
    state = 'FAILED' if result.error else 'ok'
    print(f'{state:6} {result.seconds:4.0f} s, {result.work:3.0f} of CPU  {result.file.relative_to(ROOT)}', flush=True)
    if result.error: print(result.error, flush=True)

def main(paths:list[str]) -> int:
    "Run all, print what was skipped and the counts. Returns the exit status."
    files = notebooks([Path(p) for p in paths] or [ROOT/'nbs'])
    if not files: sys.exit(f'no notebooks at {", ".join(paths)}')
    results = []
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)   # compiled once, not by every process
    os.environ['PYTHONPATH'] = os.pathsep.join([str(WITHOUT), os.environ.get('PYTHONPATH', str(ROOT))])
    FRESH.set_forkserver_preload(LIBRARIES)
    with ThreadPoolExecutor(WORKERS) as pool:
        for job in as_completed([pool.submit(run_apart, f) for f in files]):
            results.append(job.result())
            show(results[-1])
    failed = [r for r in results if r.error]
    for r in results:
        for line in r.skipped: print(f'{r.file.relative_to(ROOT)}: {line}')
    for r in failed: print(f'FAILED {r.file.relative_to(ROOT)}')
    work = sum(r.work for r in results)
    print(f'{len(results) - len(failed)} passed, {len(failed)} failed, {work:,.0f} s of CPU', flush=True)
    return 1 if failed else 0

if __name__ == '__main__':
    import run_notebooks                # by its own name: a notebook's shell takes the place of __main__
    sys.exit(run_notebooks.main(sys.argv[1:]))
