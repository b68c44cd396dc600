"""Do one thing in a forked child: what it raised and warned, how long it took, and how much memory.

A child starts within a few milliseconds, because all imports are done before. It can be ended when
it hangs, it dies alone, and what it starts or writes is noticed."""
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PATIENCE = 3              # times its limit that a child may last
HEADROOM = 6 << 30            # bytes of address space that a child may take more than its parent
PROGRAMS = ('os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'subprocess.Popen',
            'socket.connect', 'webbrowser.open')
CHANGES = ('os.remove', 'os.rename', 'os.rmdir', 'os.mkdir', 'shutil.rmtree')
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Said(NamedTuple):
    "What became of a child."
    state: str         # 'returned', 'raised', 'died' or 'hung'
    value: object      # what it returned, JSON-ready
    kind: str          # class of the exception, with those it inherits from
    text: str          # of the exception
    warned: list[str]  # warnings
    ran: list[str]     # programs started, and files written where it should only read
    seconds: float     # of the processor
    peak: int          # bytes of resident memory above those at its start


def _status(name:str) -> int: # such as 'VmHWM'
    "One line of this process's status, in bytes."
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(name): return 1024 * int(line.split()[1])
    return 0


def _watch(ran:list, reads_only:bool):
    "Note programs that are started, and files that are written: a reader does neither."
    def hook(event, args):
        if event in PROGRAMS: ran.append(f'{event} {str(args)[:120]}')
        if not reads_only: return
        if event in CHANGES: ran.append(f'{event} {str(args)[:120]}')
        if event != 'open': return
        path, _, flags = args
        if flags & WRITES and path != os.devnull: ran.append(f'open {path!r}')
    sys.addaudithook(hook)


def _work(do:Callable, reads_only:bool) -> dict:
    "The child: do it, and describe what happened."
    ran, start = [], _status('VmRSS')
    _watch(ran, reads_only)
    state, value = 'returned', None
    kind, text = '', ''
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter('always')
        try: value = do()
        except BaseException as e:
            state, text = 'raised', str(e)[:4000]
            kind = ' '.join(c.__name__ for c in type(e).__mro__)
            if os.environ.get('FUZZ_TRACEBACK'): traceback.print_exc(file=sys.__stdout__)
    return dict(state=state, value=value, kind=kind, text=text, ran=ran[:5],
                warned=[str(w.message)[:2000] for w in heard][:50],
                peak=max(0, _status('VmHWM') - start))


RUNNING = {}                  # number of a process -> child that has not been waited for


def end_with_parent():
    "Ended from outside, this process ends its children first: they would write on, and hold mounts."
    def end(number, frame):
        for child in list(RUNNING.values()): child.result()
        sys.exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, end)


class Child:
    "A forked child that does one thing."
    def __init__(self, do:Callable,      # without arguments; returns something JSON-ready
                 limit:float,            # seconds of work, after which it is ended
                 reads_only:bool=True):  # whether it is noted when it writes files
        self.begin, self.limit = time.monotonic(), limit
        self.patience = PATIENCE * limit                       # on a machine that others use, too
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0: self._child(do, reads_only, writer)
        RUNNING[self.pid] = self
        os.close(writer)
        self.parts = []

    def _child(self, do, reads_only, writer):
        "Never returns."
        code = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_DFL)
            os.setsid()                                       # what it starts ends with it
            os.close(self.reader)
            if not os.environ.get('FUZZ_TRACEBACK'):
                null = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2): os.dup2(null, stream)
            most = _status('VmSize') + HEADROOM
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            work = int(self.limit) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (work, work))
            text = json.dumps(_work(do, reads_only)).encode()
            while text: text = text[os.write(writer, text):]
            code = 0
        finally: os._exit(code)

    def read(self) -> bool: # whether it has ended
        "Take what the child has written. Call it when `reader` is ready."
        part = os.read(self.reader, 1 << 16)
        self.parts.append(part)
        return not part

    def left(self) -> float:
        "Seconds until it is ended although it does nothing."
        return self.patience - (time.monotonic() - self.begin)

    def result(self) -> Said:
        "After its end, or after its time: how it went."
        hung = self.left() <= 0
        for kill in (os.killpg, os.kill):        # a child that has just begun has no group yet
            try: kill(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError): pass
        _, status, used = os.wait4(self.pid, 0)
        RUNNING.pop(self.pid, None)
        os.close(self.reader)
        seconds = used.ru_utime + used.ru_stime
        hung = hung or seconds >= self.limit
        text = b''.join(self.parts)
        if text: return Said(**json.loads(text), seconds=seconds)
        code = os.waitstatus_to_exitcode(status)
        state = 'hung' if hung else 'died'
        return Said(state, None, '', f'exit status {code}', [], [], seconds, 0)


def alone(do:Callable, limit:float=60, reads_only:bool=False) -> Said:
    "Do one thing in a child and wait for it."
    child = Child(do, limit, reads_only)
    while child.left() > 0:
        ready, _, _ = select.select([child.reader], [], [], max(0, child.left()))
        if ready and child.read(): break
    return child.result()


def many(jobs,             # iterator of (name, Child maker, judge): a maker starts its child
         workers:int=2     # children at a time
        ):                 # yields (name, outcome, Said), as they end
    "Do many things, some at a time, in the order of the iterator."
    running = {}
    jobs, more = iter(jobs), True
    while more or running:
        while more and len(running) < workers:
            job = next(jobs, None)
            if job is None: more = False
            else:
                name, start, judge = job
                child = start()
                running[child.reader] = (name, child, judge)
        if not running: return
        wait = max(0., min(child.left() for _, child, _ in running.values()))
        ready, _, _ = select.select(list(running), [], [], wait)
        over = [r for r in ready if running[r][1].read()]
        over += [r for r, (_, child, _) in running.items() if child.left() <= 0 and r not in over]
        for reader in over:
            name, child, judge = running.pop(reader)
            said = child.result()
            yield name, judge(said), said
