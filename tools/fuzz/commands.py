"""Commands with damaged files and impossible options: they work, or say by name what is wrong.

A traceback, a hang, and something half written that is left over are faults."""
import contextlib
import io
import json
import os
import random
import shutil
from functools import partial
from pathlib import Path
import torch
import apart
from inputs import ROOT, YAML_TEXTS, other_value
from mutate import KINDS, damaged
from weights import TINY, bases, bombs, configuration, header
from mambaflow.app.commands import (mambaflow_field_summary, mambaflow_masks, mambaflow_multiscale,
                                    mambaflow_sample, mambaflow_stepper_page, mambaflow_verdict)
# what the commands import when they work: once here, not in each child
from mambaflow.app import multiscale, sample, stepper # noqa: F401
from mambaflow.data import mask_check # noqa: F401
from mambaflow.studies import ablations, decision # noqa: F401
from mambaflow.studies.judge import JudgeConfig
from mambaflow.studies.runs import main as one_run
from mambaflow.training.checkpoints import save_model

LIMIT = 20.                # seconds for one case
MEMORY = 600_000_000       # bytes above the files' size
VERDICT, TRAIN = 'outputs/demo/verdict/run.json', 'outputs/demo/PT/run.json'
PLAN = 'nbs/experiments/plans/protocol.yaml'
# name -> function, arguments with FILE for the file that is damaged, options that may be changed
COMMANDS = {
    'sample': (mambaflow_sample, ['FILE', '--out', 'x.png', '--count', '2', '--steps', '1',
                                  '--device', 'cpu'],
               ('--count', '--steps', '--shift', '--seed', '--label', '--guidance', '--sampler',
                '--device', '--out', '--config')),
    'stepper_page': (mambaflow_stepper_page, ['FILE', '--out', 'x.html', '--seeds', '1', '--steps',
                                              '1'],
                     ('--seeds', '--steps', '--guidance', '--sampler', '--out', '--judge')),
    'multiscale': (mambaflow_multiscale, ['FILE', '--out', 'scores', '--count', '1', '--samples',
                                          '2', '--steps', '1',
                                          '--scales', '32', '--device', 'cpu'],
                   ('--count', '--steps', '--samples', '--scales', '--sampler', '--device',
                    '--photos', '--out')),
    'verdict': (mambaflow_verdict, ['FILE'], ()),
    'field_summary': (mambaflow_field_summary, ['FILE', 'FILE'], ()),
    'run': (one_run, ['FILE', 'no-such-run'], ('--root',)),
    'masks': (mambaflow_masks, ['--count', '3', '--size', '8', '--processes', '1'],
              ('--count', '--size', '--density', '--seed', '--processes', '--data'))}
WEIGHTS = ('sample', 'stepper_page', 'multiscale')
VALUES = ('0', '-1', '1', '3', str(10**9), str(10**12), str(10**30), '1.5', 'nan', 'inf', '-inf',
          '1e400', '', ' ',
          'text', 'cuda:99', 'mps', '/dev/zero', '/dev/full', '/', '.', 'no/such/x.png',
          '/proc/x.png', 'a' * 300, '~',
          'folder:/nowhere', 'digits', 'umlaut-\xfc', 'two\nlines', '\ud800')


def called(name, argv, folder):
    "What a command writes and how it ends."
    os.chdir(folder)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try: code = COMMANDS[name][0](argv)
        except SystemExit as e: code = e.code
    text = said.getvalue()
    if isinstance(code, str): text, code = f'{text}{code}', 1
    left = [str(p.relative_to(folder)) for p in folder.rglob('.tmp-*')]
    return dict(code=int(code or 0), text=text[-3000:], left=left)


def judge(words, size, said):
    "One of the outcomes; what begins with FAIL is a fault."
    if said.state in ('hung', 'died'): return f'FAIL: {said.state}: {said.text}'
    if said.peak > MEMORY + size: return f'FAIL: memory: {said.peak / 1e6:.0f} MB'
    if said.state == 'raised': return f'FAIL: {said.kind.split()[0]}: {said.text[:200]}'
    value = said.value
    if value['left']: return f'FAIL: left over: {value["left"]}'
    if not value['code']: return 'done'
    message = value['text'].strip().splitlines()
    text = value['text']
    if not message or 'Traceback' in text: return f'FAIL: no message: {text[-200:]}'
    named = any(w in text or repr(w)[1:-1] in text for w in words)
    return 'refused by name' if named else f'FAIL: no name: {message[-1][:250]}'


class Commands:
    "Cases of this kind, by their number."
    name = 'commands'

    def __init__(self, root:Path, seed:int):
        self.root, self.seed = root, seed
        files = root/'files'
        files.mkdir()
        self.weights = bases(files)
        torch.manual_seed(0)
        judge_file = save_model(files/'judge.safetensors', JudgeConfig().build(), JudgeConfig())
        self.weights['judge.safetensors'] = judge_file.read_bytes()
        labelled = TINY.replace(classes=10)
        file = save_model(files/'labels.safetensors', labelled.build(), labelled)
        self.weights['labels.safetensors'] = file.read_bytes()
        self.bombs = {k: v for k, v in bombs().items() if len(v) < 10**6}
        self.records = [(ROOT/f).read_bytes() for f in (VERDICT, TRAIN) if (ROOT/f).is_file()]
        self.plans = [(ROOT/PLAN).read_bytes(), *(v.encode('utf8', 'surrogatepass')
                                                  for v in YAML_TEXTS.values())]

    def case(self, index:int):
        rng = random.Random(f'{self.seed}:{self.name}:{index}')
        folder = self.root/f'case{index}'/'here'
        folder.mkdir(parents=True)
        name = rng.choices(list(COMMANDS), (6, 4, 2, 2, 2, 2, 1))[0]
        what, file = self._file(rng, name, folder)
        _, usual, options = COMMANDS[name]
        argv, words = [str(file) if a == 'FILE' else a for a in usual], [file.name]
        if name == 'run': words += [str(folder), '/dev/zero']      # its base or its notebook
        if options and rng.random() < .4: what += self._option(rng, argv, words, options)
        size = file.stat().st_size if file.is_file() and not file.is_symlink() else 0
        work = partial(called, name, argv, folder)
        def start(): return apart.Child(work, LIMIT, reads_only=False)
        def after(said):
            outcome = judge(words, size, said)
            if (folder/'RAN').exists(): outcome = 'FAIL: code run'
            shutil.rmtree(folder.parent)
            return outcome
        return f'mambaflow_{name}: {what}', start, after

    def _option(self, rng, argv, words, options):
        "Another value for one option."
        option, value = rng.choice(options), rng.choice(VALUES)
        argv += [f'{option}={value}']
        words += [option, value or option]
        return f', {option}={value!r:.40}'

    def _file(self, rng, name, folder):
        "A file for a command: whole, damaged, harmful, or none."
        if name in WEIGHTS: file, data = self._weights(rng, folder)
        elif name == 'run': file, data = folder/'plan.yaml', rng.choice(self.plans)
        else: file, data = folder/'run.json', rng.choice(self.records)
        way = 'whole'
        if rng.random() < .3: way, data = damaged(rng, data)
        elif file.suffix == '.json' and rng.random() < .7:
            way, changed = other_value(rng, json.loads(data))
            data = json.dumps(changed).encode()
        elif file.name == 'model.safetensors' and rng.random() < .5:
            way, data = rng.choice((header, configuration))(rng, data)
        file.write_bytes(data)
        if rng.random() < .1:
            way = rng.choice(list(KINDS))
            KINDS[way](rng, file)
        return f'{file.name} {way}', file

    def _weights(self, rng, folder):
        source = self.bombs if rng.random() < .2 else self.weights
        own = ('model.safetensors', 'labels.safetensors', 'half.safetensors')
        name = rng.choice(own if source is self.weights and rng.random() < .5 else list(source))
        return folder/name, source[name]
