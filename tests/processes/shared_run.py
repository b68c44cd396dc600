"""One process of a run that several share: `shared_run.py JOB`, with a job in JSON.

Each process leaves its number in the folder of the job; the first one prints what came out."""
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.nn as nn
from mambaflow.data.images import ImageBatches, load_images
from mambaflow.data.observations import FieldBatches
from mambaflow.fields.model import make_preset
from mambaflow.nets.backbones import BackboneConfig
from mambaflow.training.processes import Processes
from mambaflow.training.trainer import TrainConfig, Trainer, fit

torch.set_num_threads(1)
EPOCHS = 4
BACKBONE = BackboneConfig(kind='HMA', image_size=8, width=16, depth=2, heads=4, mlp_width=32,
                          d_state=4, cond_width=16, classes=10)


def pictures():
    "A run with labels, some of which are dropped."
    digits = load_images('digits', size=8)
    return BACKBONE.build(), ImageBatches(digits.images, digits.labels)


def fields():
    "A run whose queries and symmetries are drawn, with a prior that is computed before."
    torch.manual_seed(3)
    images = torch.randint(0, 256, (48, 3, 8, 8), dtype=torch.uint8)
    model = make_preset('V2-small', grid=8).build()
    def zero(query_coords, input_coords, input_values): return torch.zeros_like(query_coords[..., :1]).expand(-1, -1, 3)
    return model, FieldBatches(images, .3, (.1, .2, .3), .3, symmetries=8, prior=zero,
                               prepare=lambda **points: model.prepare(**points, check=False))


def settings(job):
    "How to train."
    sizes = {'pictures': dict(batch_size=300, lr=3e-3), 'fields': dict(batch_size=12, lr=1e-3)}
    return TrainConfig(**(dict(epochs=EPOCHS, seed=7, ema=.9) | sizes[job['kind']]
                          | job.get('config', {})))


def happens(rank, job):
    "What the job says about this process: called after each epoch of the first, each step of others."
    seen = {'steps': 0}
    step = Trainer.step
    def counted(self, index):
        seen['steps'] += 1
        if seen['steps'] == job['step'] and rank == job['rank']: act(job['does'], self)
        step(self, index)
    Trainer.step = counted


def act(does, trainer):
    "Make something go wrong."
    if does == 'raise': raise RuntimeError('a mistake of one process')
    if does == 'nan': next(trainer.model.parameters()).data.fill_(math.nan)
    if does == 'sleep': time.sleep(600)
    if does == 'die': os.kill(os.getpid(), signal.SIGKILL)


def stop_after(epochs):
    def stop(model, epoch):
        if epoch == epochs: raise RuntimeError('a stop')
    return stop


def main(job):
    rank, folder = int(os.environ.get('RANK', 0)), Path(job['folder'])
    (folder/f'process_{rank}').write_text(str(os.getpid()))
    if job.get('wrong_rows'):                # as if each process took the same share
        Processes.rows = lambda self, x: x[:len(x) // self.count]
    if 'does' in job: happens(rank, job)
    torch.manual_seed(rank)                  # weights of the first process are everybody's
    model, batches = {'pictures': pictures, 'fields': fields}[job['kind']]()
    on_epoch = stop_after(job['stop']) if 'stop' in job else None
    result = fit(model, batches, settings(job), folder/'run', cpu=True, on_epoch=on_epoch)
    if rank: return
    weights = nn.utils.parameters_to_vector(model.parameters())
    print('RESULT ' + json.dumps({'loss': result.history['loss'], 'metrics': result.metrics,
                                  'weights': weights.tolist()}), flush=True)


if __name__ == '__main__': main(json.loads(sys.argv[1]))
