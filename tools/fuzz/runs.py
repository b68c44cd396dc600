"""Checkpoints of a run, damaged before it goes on: it must end with the bits of an untouched run.

A tiny transformer learns scikit-learn's digits for four epochs and is stopped in the third, with
two checkpoints kept. A case copies that folder, alters the newest checkpoint, and calls `fit`
again."""
import hashlib
import json
import os
import pickle
import random
import shutil
from functools import partial
from pathlib import Path
import torch
import torch._dynamo    # the first optimiser would import it: for seconds, in every child
import apart
from mutate import KINDS, damaged, replaced
from mambaflow.data.images import ImageBatches, load_images
from mambaflow.nets.backbones import BackboneConfig
from mambaflow.training.checkpoints import load_weights
from mambaflow.training.trainer import TrainConfig, fit, saved_checkpoints

EPOCHS, STOPPED = 4, 3
SCORES = (.1, .3, .5, .4)  # of each epoch
ENDS = ('losses', 'weights', 'best', 'scores')         # what must be the same in the end
TINY = BackboneConfig(kind='PT', image_size=8, patch=4, width=16, depth=1, heads=2, mlp_width=16,
                      cond_width=16)
LIMIT = 30.                # seconds for one case
MEMORY = 500_000_000       # bytes above those of the process at its start


class Stop(Exception):
    "Ends a run in the middle."


def pictures():
    return load_images('digits', size=8, limit=64).images


def training(**changes):
    usual = dict(epochs=EPOCHS, batch_size=32, lr=2e-3, schedule='cosine', warmup_steps=2, ema=.9)
    return TrainConfig(**{**usual, **changes})


def train(out, images, stop=None, seed=0, each=None, **changes):
    """Train, or go on; `stop`: the epoch that raises.

    Returns the losses, hashes of the weights and of the best ones, and the epochs done here."""
    torch.manual_seed(seed)
    model, epochs = TINY.build(), []
    def look(model, epoch):
        epochs.append(epoch)
        if each is not None: each(epoch)
        if epoch == stop: raise Stop
        return SCORES[epoch - 1]
    done = fit(model, ImageBatches(images), training(seed=seed, **changes), out, cpu=True,
               on_epoch=look)
    return dict(losses=[x.hex() for x in done.history['loss']], weights=bits(done.weights),
                best=bits(Path(out)/'best.safetensors'), scores=done.history['score'],
                epochs=epochs)


def bits(file):
    "A hash of the names, shapes and bytes of all weights."
    digest = hashlib.sha256()
    for name, v in sorted(load_weights(file).items()):
        digest.update(f'{name} {tuple(v.shape)} {v.dtype}'.encode())
        digest.update(v.contiguous().numpy().tobytes())
    return digest.hexdigest()


def prepare(root):
    "The uninterrupted run, and stopped ones to copy. Returns what the first ended with."
    images = pictures()
    whole = apart.alone(partial(train, root/'whole', images))
    assert whole.state == 'returned', whole
    for name, seed in (('stopped', 0), ('other', 1)):
        said = apart.alone(partial(train, root/name, images, stop=STOPPED, seed=seed))
        assert 'Stop' in said.kind, said
        kept = [c.name for c in saved_checkpoints(root/name)]
        assert len(kept) == 2, f'{kept}: two checkpoints were to be kept'
    return whole.value


# what is done to the folder `out` of a stopped run; each returns what it did, and words of which
# one must stand in a warning or an error

def _files(folder):
    return sorted(f for f in folder.rglob('*') if f.is_file())


def _newest(out): return saved_checkpoints(out)[-1]


def _any_file(rng, out): return rng.choice(_files(_newest(out)))


def _words(*files):
    "The names of which a message must have one; an altered list of hashes blames what it lists."
    listed = [f.parent.name for f in files if f.name == 'manifest.json']
    return [f.name for f in files] + listed


def bytes_changed(rng, out, root):
    file = _any_file(rng, out)
    way, data = damaged(rng, file.read_bytes())
    if data == file.read_bytes().rstrip(): return None      # the end of a line, after JSON
    file.write_bytes(data)
    return f'{way} in {file.name}', _words(file)


def one_bit(rng, out, root):
    file = _any_file(rng, out)
    way, data = damaged(rng, file.read_bytes(), ('flip',))
    file.write_bytes(data)
    return f'one bit of {file.name}', _words(file)


def file_gone(rng, out, root):
    file = _any_file(rng, out)
    way = rng.choice(('missing', 'empty', 'half'))
    if way == 'missing': file.unlink()
    else: file.write_bytes(file.read_bytes()[:0 if way == 'empty' else file.stat().st_size // 2])
    return f'{file.name} {way}', _words(file)


def file_of_another(rng, out, root):
    "A whole file, but an older one, or one of another run, or another file of this checkpoint."
    file = _any_file(rng, out)
    source = rng.choice(('older', 'other', 'same'))
    if source == 'same': twin = rng.choice(_files(_newest(out)))
    else:
        there = saved_checkpoints(out)[0] if source == 'older' else _newest(root/'other')
        twin = there/file.relative_to(_newest(out))
    if not twin.is_file() or twin.read_bytes() == file.read_bytes(): return None
    shutil.copyfile(twin, file)
    return f'{file.name} is {twin.name} of {source}', _words(file)


def two_exchanged(rng, out, root):
    files = _files(_newest(out))
    if len(files) < 2: return None
    a, b = rng.sample(files, 2)
    first, second = a.read_bytes(), b.read_bytes()
    if first == second: return None
    a.write_bytes(second)
    b.write_bytes(first)
    return f'{a.name} and {b.name} exchanged', _words(a, b)


def no_file(rng, out, root):
    "A folder, a FIFO, a link and so on in the place of a file."
    file = _any_file(rng, out)
    what = replaced(rng, file)
    return f'{file.name}: {what}', _words(file)


def foreign_file(rng, out, root):
    name = rng.choice(('notes.txt', 'model2.safetensors', 'custom_checkpoint_7.pkl',
                       'pytorch_model.bin', 'model.safetensors.index.json', 'scaler.pt'))
    file = _newest(out)/name
    if file.exists(): return None
    if rng.random() < .3:
        file.mkdir()
        (file/'inner').write_bytes(b'foreign')
    else: file.write_bytes(rng.randbytes(rng.choice((0, 1, 1000))))
    return f'foreign {name}', [name]


def folder_of_another(rng, out, root):
    newest = _newest(out)
    source = rng.choice(('older', 'other', 'other older'))
    there = saved_checkpoints(out)[0] if source == 'older' else None
    if there is None: there = saved_checkpoints(root/'other')[-1 if source == 'other' else 0]
    shutil.rmtree(newest)
    shutil.copytree(there, newest)
    return f'{newest.name} is {there.name} of {source}', [newest.name]


def folder_renamed(rng, out, root):
    newest = _newest(out)
    name = rng.choice(('epoch_00003', 'epoch_00004', 'epoch_00007', 'epoch_3', 'epoch_', 'epoch_x',
                       'epoch_99999999999999999999'))
    newest.rename(newest.with_name(name))
    return f'{newest.name} renamed to {name}', [name]


def folder_replaced(rng, out, root):
    newest = _newest(out)
    what = rng.choice([kind for kind in KINDS if kind != 'gone'])   # then there never was one
    KINDS[what](rng, newest)
    return f'{newest.name}: {what}', [newest.name]


def folder_doubled(rng, out, root):
    "A later checkpoint beside the newest: a copy of one of these, whole but for its name."
    there = rng.choice(saved_checkpoints(out))
    name = rng.choice(('epoch_00003', 'epoch_00009', 'epoch_00002_copy', 'epoch_00002 (1)'))
    shutil.copytree(there, there.with_name(name))
    return f'{there.name} once more as {name}', [name]


class _Touch:
    def __init__(self, file): self.file = file
    def __reduce__(self):
        return os.system, (f'touch {self.file}',)


def planted(rng, out, root, forged=False):
    "A pickle that runs something, under the name of a file of the checkpoint or of accelerate's."
    newest = _newest(out)
    names = ['random_states_0.pkl', 'custom_checkpoint_0.pkl', 'optimizer.bin', 'scheduler.bin']
    file = rng.choice(_files(newest) + [newest/name for name in names if not forged])
    before = file.read_bytes() if file.is_file() else b''
    file.write_bytes(pickle.dumps(_Touch(out/'RAN'), protocol=rng.choice((0, 2, 4))))
    if not forged: return f'{file.name} runs something', [file.name]
    _forge(newest, file, before)
    return f'{file.name} runs something, and its hash is forged', [newest.name]


def planted_and_forged(rng, out, root): return planted(rng, out, root, forged=True)


def _forge(folder, file, before):
    "Make every hash and size of a file in the texts of a folder those that it has now."
    old, new = before, file.read_bytes()
    for text in _files(folder):
        if text == file or text.stat().st_size > 100_000: continue
        content = text.read_bytes()
        there, here = (hashlib.sha256(x).hexdigest().encode() for x in (old, new))
        if there not in content: continue
        content = content.replace(there, here)
        text.write_bytes(content.replace(b' %d' % len(old), b' %d' % len(new)))


def config_altered(rng, out, root):
    file = out/'config.json'
    way = rng.choice(('bytes', 'gone', 'empty', 'deep', 'other', 'no file', 'null', 'value'))
    if way == 'bytes':
        way, data = damaged(rng, file.read_bytes())
        file.write_bytes(data)
    elif way == 'gone': file.unlink()
    elif way == 'empty': file.write_bytes(b'')
    elif way == 'deep': file.write_text('[' * 10**6)
    elif way == 'other': shutil.copyfile(root/'other'/'config.json', file)
    elif way == 'no file': way = replaced(rng, file)
    elif way == 'null': file.write_text(rng.choice(('null', '[]', '3', '"text"', '{}')))
    else: way = _other_value(rng, file)
    targets = ['/dev/null', '/dev/zero']                 # of a link: the file that is meant
    return f'config.json: {way}', ['config.json', f'{out} holds another run', *targets]


def _other_value(rng, file):
    "One value of a JSON file of another type."
    whole = json.loads(file.read_text())
    part = whole[rng.choice(list(whole))]
    key = rng.choice(list(part)) if isinstance(part, dict) and part else None
    value = rng.choice((None, [], {}, 'text', -1, 1e300, True, {'class': 'BackboneConfig'}))
    if key is None: whole['model'] = value
    else: part[key] = value
    file.write_text(json.dumps(whole))
    return f'{key} = {value!r}'


def both(rng, out, root):
    "The newest checkpoint and the one before it damaged: nothing is left to go on from."
    files = []
    for folder in saved_checkpoints(out):
        file = rng.choice(_files(folder))
        _, data = damaged(rng, file.read_bytes())
        file.write_bytes(data)
        files.append(file)
    return f'both damaged: {", ".join(f.name for f in files)}', _words(*files)


def leftovers(rng, out, root):
    "What a killed writer leaves is cleared, and the run goes on from its newest checkpoint."
    half = rng.choice((out/'checkpoints'/'.tmp-0a1b2c3d-epoch_00003',
                       out/'.tmp-0a1b2c3d-model.safetensors',
                       out/'.tmp-0a1b2c3d-probe', out/'checkpoints'/'.tmp-0a1b2c3d-'))
    if rng.random() < .5: shutil.copytree(_newest(out), half)
    else: half.write_bytes(rng.randbytes(100))
    return f'left over {half.name}', []


def lock_altered(rng, out, root):
    "What stands in the lock file of a dead owner keeps nobody out."
    (out/'.lock').write_bytes(rng.choice((b'', b'null', b'[]', b'{}', b'\xff\xfe', b'{"pid": 1}',
                                          b'[' * 5000)))
    return 'lock of a dead owner', []


NEWEST = {one_bit: 6, bytes_changed: 6, file_gone: 3, file_of_another: 3, two_exchanged: 1,
          no_file: 2, foreign_file: 1, folder_of_another: 1, folder_renamed: 1, folder_replaced: 1,
          planted: 1}
OTHERS = {config_altered: 3, both: 2, planted_and_forged: 1, folder_doubled: 1, leftovers: 1,
          lock_altered: 1}
HARMLESS = (leftovers, lock_altered)


def alter(rng, out, root, ways):
    "Do one thing to a folder. Returns the way, what it did, and words that a message must have."
    while True:
        way = rng.choices(list(ways), list(ways.values()))[0]
        done = way(rng, out, root)
        if done is not None: return way, *done


def go_on(out, images):
    "Resume in this process. The losses, the weights, and what is left over."
    ended = train(out, images)
    left = [p.name for p in out.rglob('.tmp-*')]
    return {**ended, 'left': left}


def judge(want, way, words, out, said):
    "One of the outcomes; what begins with FAIL is a fault."
    ran = (out/'RAN').exists() or bool(said.ran)
    if ran: return f'FAIL: code run: {said.ran or "a planted pickle"}'
    if said.state in ('hung', 'died'): return f'FAIL: {said.state}: {said.text}'
    if said.peak > MEMORY: return f'FAIL: memory: {said.peak / 1e6:.0f} MB'
    if said.state == 'raised': return _judge_error(words, said)
    named = any(w in text for w in words for text in said.warned)
    got = said.value
    same = all(got[k] == want[k] for k in ENDS)
    first = got['epochs'][0] if got['epochs'] else None
    how = 'with a warning' if named else 'in silence'
    if not same: return f'FAIL: other bits {how}: went on at epoch {first}'
    if got['left']: return f'FAIL: left over: {got["left"]}'
    if way in HARMLESS: return 'right' if first == STOPPED else f'FAIL: went on at epoch {first}'
    if way is config_altered: return 'right'
    if not named: return f'FAIL: in silence, went on at epoch {first}: {said.warned[:2]}'
    if way is folder_doubled and first == STOPPED: return 'fell back and said so'
    return {STOPPED - 1: 'fell back and said so', 1: 'began anew and said so',
            STOPPED: 'used it and said so'}.get(first, f'FAIL: went on at epoch {first}')


def _judge_error(words, said):
    "An error must be of the right kind, and name what is wrong."
    kinds = said.kind.split()
    if 'ValueError' not in kinds and 'OSError' not in kinds:
        return f'FAIL: {kinds[0]}: {said.text[:200]}'
    if any(w in said.text for w in words): return 'refused by name'
    return f'FAIL: no name: {kinds[0]}: {said.text[:200]}'


class Runs:
    "Cases of this kind, by their number."
    def __init__(self, root:Path, seed:int, ways=None, name:str='runs'):
        self.name, self.root, self.seed = name, root, seed
        self.ways = ways or {**NEWEST, **OTHERS}
        self.images = pictures()
        self.want = prepare(root)

    def case(self, index:int):
        "What is done, a function that starts the child, and the judge."
        rng = random.Random(f'{self.seed}:{self.name}:{index}')
        out = self.root/f'case{index}'/'stopped'         # the folder's name is in the run's
        shutil.copytree(self.root/'stopped', out, symlinks=True)
        way, what, words = alter(rng, out, self.root, self.ways)
        def start(): return apart.Child(partial(go_on, out, self.images), LIMIT, reads_only=False)
        def after(said):
            outcome = judge(self.want, way, words, out, said)
            shutil.rmtree(out.parent)
            return outcome
        return f'{way.__name__}: {what}', start, after
