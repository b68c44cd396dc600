"""Files of weights, damaged or harmful: weights come out, or a CheckpointError names the file."""
import io
import json
import os
import pickle
import random
import shutil
import struct
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path
import torch
from safetensors.torch import save
import apart
from mutate import KINDS, damaged
from mambaflow.app.sample import open_model
from mambaflow.nets.backbones import BackboneConfig
from mambaflow.training.checkpoints import load_model, load_weights, read_config, save_model

LIMIT = 10.                # seconds for one case
MEMORY = 500_000_000       # bytes above the file's size
TINY = BackboneConfig(kind='PT', image_size=4, patch=4, width=8, depth=1, heads=2, mlp_width=8,
                      cond_width=8)


def some_weights(shift=0.):
    g = torch.Generator().manual_seed(3)
    shapes = {'embed.weight': (8, 4), 'blocks.0.norm.weight': (8,), 'blocks.0.mlp.weight': (8, 8),
              'blocks.1.norm.weight': (8,), 'blocks.1.mlp.weight': (8, 8), 'head.bias': (3,)}
    return OrderedDict((k, torch.randn(s, generator=g) + shift) for k, s in shapes.items())


def _torch_bytes(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _contents():
    "What programs of the field save, by name."
    plain, average = some_weights(), some_weights(1.)
    prefixed = {f'module._orig_mod.{k}': v for k, v in plain.items()}
    optimizer = torch.optim.AdamW([torch.nn.Parameter(v) for v in plain.values()])
    halves = {k: v.half() if 'norm' in k else v.bfloat16() for k, v in plain.items()}
    return {'plain': plain, 'prefixed': prefixed, 'halves': halves,
            'training': {'model': plain, 'optimizer': optimizer.state_dict(), 'epoch': 3,
                         'loss': .5, 'ema': average},
            'lightning': {'state_dict': {f'model.{k}': v for k, v in plain.items()}, 'epoch': 2,
                          'pytorch-lightning_version': '2.5.0', 'callbacks': {}},
            'shadow': {'model': plain, 'ema': {'decay': .9, 'num_updates': 7,
                                               'shadow_params': list(average.values())}},
            'averaged': {'model_state_dict': {'n_averaged': torch.tensor(4),
                                              **{f'module.{k}': v for k, v in average.items()}}}}


def right_weights(name):
    "What must come out of a whole file, by the word in its name."
    plain, average = some_weights(), some_weights(1.)
    if 'halves' in name: return _contents()['halves']
    averaged = any(word in name for word in ('training', 'shadow', 'averaged', 'both'))
    return average if averaged else plain


def bases(folder):
    "Whole files: name -> bytes."
    contents, files = _contents(), {}
    for protocol in (2, 3, 4, 5):
        for zipped in (True, False):
            kind = 'zip' if zipped else 'old'
            for name in ('plain', 'training', 'shadow'):
                files[f'{kind}-{protocol}-{name}.pt'] = _torch_bytes(
                    contents[name], pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    for name, content in contents.items(): files[f'zip-{name}.ckpt'] = _torch_bytes(content)
    for name in ('plain', 'prefixed',
                 'halves'): files[f'{name}.safetensors'] = save(dict(contents[name]))
    both = {**{f'model.{k}': v for k, v in some_weights().items()},
            **{f'ema.{k}': v for k, v in some_weights(1.).items()}}
    files['both.safetensors'] = save(both)
    torch.manual_seed(0)
    model = TINY.build()
    for name, dtype in (('model', None), ('half', torch.float16)):
        file = save_model(folder/f'{name}.safetensors', model, TINY, dtype=dtype, epoch=3)
        files[f'{name}.safetensors'] = file.read_bytes()
    return files


# ways that know the format

def zip_member(rng, data):
    "A zip archive that is whole, with one damaged file in it."
    with zipfile.ZipFile(io.BytesIO(data)) as z: members = {n: z.read(n) for n in z.namelist()}
    name = rng.choices(list(members), [5 if n.endswith('data.pkl') else 1 for n in members])[0]
    way, members[name] = damaged(rng, members[name])
    if rng.random() < .1: members.pop(name)
    return f'{way} in member {name}', make_zip(members)


def make_zip(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as z:
        for name, content in members.items(): z.writestr(name, content)
    return buffer.getvalue()


def header(rng, data):
    "A safetensors file with another value in its header, whose length fits."
    n = int.from_bytes(data[:8], 'little')
    head = json.loads(data[8:8 + n])
    name = rng.choice(list(head))
    value = rng.choice((None, [], {}, 'text', -1, 2**63, 2**64, 10**30, 1e300, [0, 2**62], [8, -1]))
    if rng.random() < .3: head[name] = value
    else: head[name][rng.choice(list(head[name]))] = value
    text = json.dumps(head).encode()
    return f'header: {name} with {value!r:.40}', len(text).to_bytes(8, 'little') + text + data[8
                                                                                               + n:]


def configuration(rng, data):
    "A whole file of `save_model` with another value in its configuration."
    n = int.from_bytes(data[:8], 'little')
    head = json.loads(data[8:8 + n])
    config = json.loads(head['__metadata__']['config'])
    key = rng.choice(list(config))
    config[key] = rng.choice((None, [], {}, 'text', '', -1, 0, 3, 10**6, 10**9, 10**30, 1e300, True,
                              {'class': 'BackboneConfig'}, 'TrainConfig', 'os', float('nan')))
    head['__metadata__']['config'] = json.dumps(config)
    text = json.dumps(head).encode()
    value = config[key]
    return f'config: {key} = {value!r:.40}', len(text).to_bytes(8, 'little') + text + data[8 + n:]


# files made to do harm

def _text(s): return b'X' + struct.pack('<I', len(s)) + s.encode()

def _call(module, name, *args): # a protocol 2 pickle of {'w': module.name(*args)}
    imported = f'c{module}\n{name}\n'.encode()
    return b'\x80\x02}' + _text('w') + imported + b'(' + b''.join(args) + b'tRs.'

def _int(n): return b'\x8a\x09' + n.to_bytes(9, 'little', signed=True)

def _tuple(*items): return b'(' + b''.join(items) + b't'

def _tensor(numel, size, stride, offset=0):
    "The opcodes of one tensor over a storage."
    storage = _tuple(_text('storage'), b'ctorch\nFloatStorage\n', _text('0'), _text('cpu'),
                     _int(numel))
    return (b'\x80\x02}' + _text('w') + b'ctorch._utils\n_rebuild_tensor_v2\n('
            + storage + b'Q' + _int(offset) + _tuple(*map(_int, size)) + _tuple(*map(_int, stride))
            + b'\x89ccollections\nOrderedDict\n)RtRs.')

def _archive(pickled, storage=b'', compression=zipfile.ZIP_STORED):
    return make_zip({'a/data.pkl': pickled, 'a/version': b'3\n', 'a/data/0': storage}, compression)

def _zeros(member, pickled=None, megabytes=800):
    "An archive with a member of zeros that is a thousandth of its size in the file."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        if pickled: z.writestr('a/data.pkl', pickled)
        z.writestr('a/version', b'3\n')
        with z.open(member, 'w', force_zip64=True) as f:
            for _ in range(megabytes): f.write(bytes(10**6))
    return buffer.getvalue()

def _itself(names): # a dictionary that holds itself under many names
    inside = b''.join(_text(f'k{i}') + b'h\x01' for i in range(names))
    return b'\x80\x02}q\x01(' + inside + b'u.'

def _doubling(depth): # dictionaries that hold the one before twice: 2 ** depth on the way down
    steps = b''.join(b'}(' + _text('a') + b'h' + bytes([i]) + _text('b') + b'h' + bytes([i]) + b'u'
                     + b'q' + bytes([i + 1]) for i in range(depth))
    return b'\x80\x02}q\x00' + steps + b'.'

def _safetensors(head, data=b''):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(8, 'little') + text + data

def _with_config(config):
    text = config if isinstance(config, str) else json.dumps(config)
    return _safetensors({'__metadata__': {'format': 'pt', 'config': text, 'metadata': '{}'},
                         'w': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}}, bytes(4))

def _runs(protocol):
    class Touch:
        def __reduce__(self): return os.system, ('touch RAN',)
    return pickle.dumps({'w': Touch()}, protocol)

def _huge_config(**changes): return _with_config({**TINY.to_dict(), **changes})

def bombs():
    "Name -> bytes of a file that no reader may obey."
    found = {
        'bytearray.pt': _call('builtins', 'bytearray', _int(4 * 10**9)),
        'bytearray-zip.pt': _archive(_call('builtins', 'bytearray', _int(4 * 10**9))),
        'stride0.pt': _archive(_tensor(1, (10**5, 10**5), (0, 0)), bytes(4)),
        'stride0-large.pt': _archive(_tensor(1, (2**40,), (0,)), bytes(4)),
        'beyond.pt': _archive(_tensor(1, (4,), (1,), 7), bytes(4)),
        'negative.pt': _archive(_tensor(1, (-4,), (1,)), bytes(4)),
        'storage-claims.pt': _archive(_tensor(2**40, (2**40,), (1,)), bytes(4)),
        'storage-negative.pt': _archive(_tensor(-1, (1,), (1,)), bytes(4)),
        'zeros.pt': _zeros('a/data/0', _tensor(3 * 10**8, (3 * 10**8,), (1,))),
        'zeros-pickle.pt': _zeros('a/data.pkl'),
        'itself.pt': _archive(_itself(20)), 'itself-old.pt': _itself(20),
        'doubling.pt': _archive(_doubling(60)), 'doubling-old.pt': _doubling(60),
        'deep.pt': _archive(b'\x80\x02' + b']' * 10**5 + b'a' * (10**5 - 1) + b'.'),
        'deep-old.pt': b'\x80\x02' + b'}' + (_text('a') + b'}') * 10**5 + b's' * 10**5 + b'.',
        'tuples.pt': _archive(b'\x80\x02)' + b'\x85' * 10**6 + b'.'),
        'long.pt': b'\x80\x02\x8b' + struct.pack('<i', 2**31 - 1) + b'.',
        'string.pt': b'\x80\x02X' + struct.pack('<I', 2**32 - 1) + b'.',
        'string8.pt': b'\x80\x04\x8d' + struct.pack('<Q', 2**62) + b'.',
        'bytes8.pt': b'\x80\x04\x8e' + struct.pack('<Q', 2**62) + b'.',
        'bytearray8.pt': b'\x80\x05\x96' + struct.pack('<Q', 2**33) + b'.',
        'frame.pt': b'\x80\x04\x95' + struct.pack('<Q', 2**62) + b'.',
        'memo.pt': b'\x80\x02]r' + struct.pack('<I', 2**32 - 1) + b'.',
        'ordered.pt': _call('collections', 'OrderedDict', _int(10**9)),
        'tensor.pt': _call('torch', 'Tensor', _int(10**9)),
        'float-tensor.pt': _archive(_call('torch', 'FloatTensor', _int(10**9))),
        'storage.pt': _archive(_call('torch', 'FloatStorage', _int(10**9))),
        'sparse.pt': _archive(_call('torch._utils', '_rebuild_sparse_tensor', _int(1), _int(1))),
        'meta.pt': _archive(_call('torch._utils', '_rebuild_meta_tensor_no_storage',
                                  b'ctorch\nfloat32\n', _tuple(_int(2**50)), _tuple(_int(1)),
                                  b'\x89')),
        'size.pt': _archive(_call('torch', 'Size', _tuple(*[_int(2**40)] * 9))),
        'complex.pt': _archive(_call('builtins', 'complex', _int(2**70 - 1))),
        'eval.pt': _call('builtins', 'eval', _text('__import__("os").system("touch RAN")')),
        'getattr.pt': _archive(_call('builtins', 'getattr', _text('a'), _text('upper'))),
        'header-long.safetensors': (10**8).to_bytes(8, 'little') + b'{',
        'header-max.safetensors': b'\xff' * 8 + b'{',
        'header-deep.safetensors': _safetensors(b'{"a":' * 10**6),
        'header-many.safetensors': _safetensors({f'w{i}': {'dtype': 'F32', 'shape': [0],
                                                 'data_offsets': [0, 0]}
                                                 for i in range(3 * 10**4)}),
        'claims.safetensors': _safetensors({'w': {'dtype': 'F32', 'shape': [2**40],
                                                  'data_offsets': [0, 2**42]}}),
        'overlap.safetensors': _safetensors({k: {'dtype': 'F32', 'shape': [1],
                                                 'data_offsets': [0, 4]}
                                             for k in 'abc'}, bytes(4)),
        'overflow.safetensors': _safetensors({'w': {'dtype': 'F32', 'shape': [2**62, 8],
                                                    'data_offsets': [0, 0]}}),
        'config-deep.safetensors': _with_config('[' * 10**6),
        'config-digits.safetensors': _with_config('{"width": ' + '9' * 10**5 + '}'),
        'config-list.safetensors': _with_config('[]'),
        'config-class.safetensors': _with_config({'class': 'Popen', 'module': 'subprocess'}),
        'config-no-class.safetensors': _with_config({'class': ['a'], 'module': {}}),
        'config-train.safetensors': _with_config({'class': 'TrainConfig', 'module': 'x'})}
    for n, protocol in enumerate((0, 2, 4, 5)): found[f'runs{n}.pt'] = _runs(protocol)
    for n, protocol in enumerate((2, 4, 5)): found[f'runs-zip{n}.pt'] = _archive(_runs(protocol))
    huge = dict(width=10**6), dict(depth=10**7), dict(image_size=10**5), dict(mlp_width=10**9), \
        dict(cond_width=10**8), dict(depth=10**4, width=1024), dict(width=2 * 10**4), \
        dict(width=8, heads=8, depth=10**5)
    for n, changes in enumerate(huge):
        found[f'config-huge{n}.safetensors'] = _huge_config(**changes)
    kinds = ('PM', 'HMA', 'PT', 'V1', '')
    for kind in kinds: found[f'config-{kind}.safetensors'] = _huge_config(kind=kind, width=10**5)
    field = {'class': 'FieldConfig', 'module': 'mambaflow.fields.model'}
    for n, changes in enumerate((dict(width=10**6), dict(), dict(context_layers=10**6),
                                 dict(width=-1))):
        found[f'field{n}.safetensors'] = _with_config({**field, **changes})
    judge = {'class': 'JudgeConfig', 'module': 'mambaflow.studies.judge'}
    for n, changes in enumerate((dict(width=10**6), dict(), dict(classes=10**9))):
        found[f'judge{n}.safetensors'] = _with_config({**judge, **changes})
    return found


NAMES = ('a' * 255, 'x' * 300 + '.pt', 'two\nlines.pt', 'umlaut-\xfc.pt', 'no\0name.pt', '', '.',
         'absent.pt', 'percent%s{}.pt', '~nobody/x.pt', 'file.safetensors/inner.pt')


# reading, in the child

def _summary(weights):
    "Names, shapes and types; and the bytes, in hexadecimal digits."
    spec = {k: f'{tuple(v.shape)} {v.dtype}' for k, v in weights.items()}
    total = sum(v.numel() * v.element_size() for v in weights.values())
    if total > 10**7: return dict(spec=spec, bytes='large', total=total)
    raw = {k: v.contiguous().flatten().view(torch.uint8).numpy().tobytes().hex()
           for k, v in weights.items() if v.numel()}
    return dict(spec=spec, bytes=raw, total=total)


def read_as_weights(path): return _summary(load_weights(path))

def read_as_model(path): return _summary(load_model(path).state_dict())

def read_and_open(path): return _summary(open_model(path).state_dict())

def read_head(path):
    config, metadata = read_config(path)
    return dict(config=str(config), metadata=str(metadata))

READERS = (read_as_weights, read_as_weights, read_as_model, read_and_open, read_head)


class Weights:
    "Cases of this kind, by their number: first the bombs, then damaged files."
    name = 'weights'

    def __init__(self, root:Path, seed:int):
        self.root, self.seed = root, seed
        self.whole = bases(root)
        self.expected = {}
        for name, data in self.whole.items():
            own = name in ('model.safetensors', 'half.safetensors')
            if not own: self.expected[name, read_as_weights] = _summary(right_weights(name))
            (root/name).write_bytes(data)
            for reader in READERS if own else ():
                said = apart.alone(partial(reader, root/name), reads_only=True)
                assert said.state == 'returned', f'{name}: {said}'
                self.expected[name, reader] = said.value
        self.bombs = bombs()
        readers = (read_as_weights, read_as_model, read_and_open)
        self.crafted = [(('whole', name), read_as_weights) for name in self.whole]
        self.crafted += [(name, r) for name in self.bombs for r in readers]
        self.crafted += [(kind, r) for kind in KINDS for r in (*readers, read_head)]
        self.crafted += [(n, r) for n in range(len(NAMES)) for r in (*readers, read_head)]

    def case(self, index:int):
        rng = random.Random(f'{self.seed}:{self.name}:{index}')
        folder = self.root/f'case{index}'/'here'              # nothing lies beside it
        folder.mkdir(parents=True)
        if index < len(self.crafted): path, what, reader, want = self._crafted(rng, folder, index)
        else: path, what, reader, want = self._damaged(rng, folder)
        try: size = os.stat(path).st_size
        except (OSError, ValueError): size = 0
        def read():
            os.chdir(folder)
            return reader(path)
        def start(): return apart.Child(read, LIMIT)
        def after(said):
            outcome = judge(want, what, path, size, said)
            if (folder/'RAN').exists(): outcome = 'FAIL: code run'
            shutil.rmtree(folder.parent)
            return outcome
        return f'{reader.__name__}: {what}', start, after

    def _crafted(self, rng, folder, index):
        name, reader = self.crafted[index]
        if isinstance(name, tuple):
            path = folder/name[1]
            path.write_bytes(self.whole[name[1]])
            return path, f'whole {name[1]}', reader, self.expected[name[1], reader]
        if name in KINDS:
            path = folder/f'{name}.pt'
            path.write_bytes(b'')
            KINDS[name](rng, path)
            return path, f'no file: {name}', reader, None
        if isinstance(name, int):
            return f'{folder}/{NAMES[name]}', f'path {NAMES[name]!r:.40}', reader, None
        path = folder/name
        path.write_bytes(self.bombs[name])
        return path, f'bomb {name}', reader, None

    def _damaged(self, rng, folder):
        name = rng.choice(list(self.whole))
        data = self.whole[name]
        special = [zip_member] if data[:2] == b'PK' else []
        if name.endswith('.safetensors'): special = [header]
        if name in ('model.safetensors', 'half.safetensors'): special = [header, configuration]
        if special and rng.random() < .4: what, new = rng.choice(special)(rng, data)
        elif rng.random() < .05:
            other = rng.choice(list(self.whole.values()))
            at = rng.randrange(len(data))
            what, new = 'spliced', data[:at] + other[at:]
        else: what, new = damaged(rng, data)
        reader = rng.choice(READERS)
        path = folder/name
        path.write_bytes(new)
        return path, f'{what} in {name}', reader, self.expected.get((name, reader))


def judge(want, what, path, size, said):
    "One of the outcomes; what begins with FAIL is a fault."
    if said.ran: return f'FAIL: code run: {said.ran}'
    if said.state in ('hung', 'died'): return f'FAIL: {said.state}: {said.text}'
    if said.peak > MEMORY + size:
        return f'FAIL: memory: {said.peak / 1e6:.0f} MB ({said.text[:80]})'
    if said.state == 'raised':
        kind = said.kind.split()[0]
        if what.startswith('whole'): return f'FAIL: refused: {said.text[:200]}'
        if 'CheckpointError' not in said.kind.split(): return f'FAIL: {kind}: {said.text[:200]}'
        name = os.path.basename(str(path)).strip('.') or os.path.basename(os.path.dirname(path))
        named = name in said.text or repr(name)[1:-1] in said.text or str(path) in said.text
        return 'refused by name' if named else f'FAIL: no name: {said.text[:200]}'
    if what.startswith('whole'): return 'right' if said.value == want else 'FAIL: other weights'
    total = said.value.get('total', 0)
    if total > 20 * size + 10**6: return f'FAIL: {total:,} bytes of weights from a file of {size:,}'
    if want is None: return 'read: nothing to compare with'
    if said.value == want: return 'right'
    if said.value.get('spec') == want.get('spec'): return 'data: other values'
    return 'data: other names, shapes or types'
