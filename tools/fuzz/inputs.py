"""Pictures, records, plans and configurations, damaged: read, or an error that names the file."""
import io
import json
import os
import random
import shutil
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
import numpy as np
import yaml
from PIL import Image
import apart
from mutate import KINDS, damaged
from mambaflow.app.sample import config_from_json
from mambaflow.config import from_dict
from mambaflow.data.images import load_images
from mambaflow.data.photos import load_photos
from mambaflow.studies.plans import plan_names, read_plan
from mambaflow.studies.records import check_folder, read_record, read_records

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 10.                # seconds for one case
MEMORY = 500_000_000       # bytes above the file's size
NODES = 10**6              # values of a plan, when every reference is followed


def judge(words, size, said):
    "One of the outcomes; what begins with FAIL is a fault."
    if said.ran: return f'FAIL: code run: {said.ran}'
    if said.state in ('hung', 'died'): return f'FAIL: {said.state}: {said.text}'
    if said.peak > MEMORY + size:
        return f'FAIL: memory: {said.peak / 1e6:.0f} MB ({said.text[:80]})'
    if said.state == 'returned': return said.value
    kinds = said.kind.split()
    if 'ValueError' not in kinds and 'OSError' not in kinds:
        return f'FAIL: {kinds[0]}: {said.text[:200]}'
    named = any(w in said.text or repr(w)[1:-1] in said.text for w in words)
    return 'refused by name' if named else f'FAIL: no name: {kinds[0]}: {said.text[:200]}'


class Cases:
    "Cases of one kind, by their number: first what is crafted, then what is damaged."
    name = ''
    crafted = ()               # (function of a folder that returns the file and the reader, what)

    def __init__(self, root:Path, seed:int):
        self.root, self.seed = root, seed
        self.prepare()

    def case(self, index:int):
        rng = random.Random(f'{self.seed}:{self.name}:{index}')
        folder = self.root/f'case{index}'/'here'
        folder.mkdir(parents=True)
        if index < len(self.crafted):
            what, make = self.crafted[index]
            file, read, *words = make(rng, folder)
        else: what, file, read, *words = self.damage(rng, folder)
        try: size = os.stat(file).st_size
        except (OSError, ValueError): size = 0
        def start(): return apart.Child(read, LIMIT)
        def after(said):
            outcome = judge(words[0] if words else [file.name], size, said)
            if (folder/'RAN').exists(): outcome = 'FAIL: code run'
            shutil.rmtree(folder.parent)
            return outcome
        return f'{file.name}: {what}', start, after


# pictures

def _encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _arrays(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _idx(array): # the format of MNIST's files
    head = struct.pack('>HBB', 0, 8, array.ndim) + struct.pack(f'>{array.ndim}I', *array.shape)
    return head + array.tobytes()


def whole_pictures():
    "Name -> bytes, in many formats and modes."
    g = np.random.default_rng(0)
    colour = Image.fromarray(g.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    grey, deep = colour.convert('L'), Image.fromarray(g.integers(0, 65536, (16, 16),
                                                                 dtype=np.uint16))
    turned = Image.Exif()
    turned[274] = 6
    floats = Image.fromarray(g.random((16, 16), dtype=np.float32))
    files = {'grey.png': _encoded(grey, 'PNG'), 'colour.png': _encoded(colour, 'PNG'),
             'alpha.png': _encoded(colour.convert('RGBA'), 'PNG'),
             'palette.png': _encoded(colour.quantize(16), 'PNG'),
             'bits.png': _encoded(grey.convert('1'), 'PNG'), 'deep.png': _encoded(deep, 'PNG'),
             'grey.jpg': _encoded(grey, 'JPEG'), 'colour.jpg': _encoded(colour, 'JPEG'),
             'turned.jpg': _encoded(colour, 'JPEG', exif=turned),
             'cmyk.jpg': _encoded(colour.convert('CMYK'), 'JPEG'),
             'progressive.jpg': _encoded(colour, 'JPEG', progressive=True),
             'plain.tif': _encoded(colour, 'TIFF'), 'deep.tif': _encoded(deep, 'TIFF'),
             'lzw.tif': _encoded(colour, 'TIFF', compression='tiff_lzw'),
             'deflate.tif': _encoded(grey, 'TIFF', compression='tiff_adobe_deflate'),
             'float.tif': _encoded(floats, 'TIFF'),
             'grey.pgm': _encoded(grey, 'PPM'), 'colour.ppm': _encoded(colour, 'PPM'),
             'text.pgm': b'P2\n4 4\n255\n' + b' 1 2 3 4' * 4, 'deep.pgm': _encoded(deep, 'PPM'),
             'palette.gif': _encoded(colour.quantize(16), 'GIF'),
             'plain.bmp': _encoded(colour, 'BMP'),
             'lossy.webp': _encoded(colour, 'WEBP')}
    return files


def whole_arrays():
    g = np.random.default_rng(0)
    images, labels = g.integers(0, 256, (12, 16, 16), dtype=np.uint8), np.arange(12) % 3
    return {'plain.npz': _arrays(images=images), 'labels.npz': _arrays(images=images,
                                                                       labels=labels),
            'colour.npz': _arrays(images=np.stack([images] * 3, -1),
                                  labels=labels.astype(np.int32))}


MNIST = ('train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte',
         't10k-labels-idx1-ubyte')

def whole_mnist():
    g = np.random.default_rng(0)
    sizes = (20, 20, 10, 10)
    arrays = [g.integers(0, 256, (n, 28, 28), dtype=np.uint8) if 'images' in name else
              (np.arange(n) % 10).astype(np.uint8) for name, n in zip(MNIST, sizes)]
    return {name: _idx(array) for name, array in zip(MNIST, arrays)}


def _checked(data, size):
    "What a loaded data set must be, whatever was in the file."
    images, labels = data.images, data.labels
    assert str(images.dtype) == 'torch.uint8', images.dtype
    assert images.ndim == 4 and images.shape[1] in (1, 3), images.shape
    assert images.shape[2:] == (size, size), images.shape
    if labels is None: return 'loaded'
    assert len(labels) == len(images), (labels.shape, images.shape)
    assert 0 <= labels.min() and labels.max() < data.classes, (labels, data.classes)
    return 'loaded'


def read_folder(folder):
    return _checked(load_images(f'folder:{folder}', size=8), 8)


def read_photos(folder):
    photos = load_photos(f'folder:{folder}', 'all', scales=(4, 8))
    assert photos.images[8].shape[1:] == (3, 8, 8), photos.images[8].shape
    return 'loaded'


def read_npz(file):
    return _checked(load_images(f'npz:{file}', size=8), 8)


def read_mnist(root, train):
    os.environ['MAMBAFLOW_DATA'] = str(root)
    return _checked(load_images('mnist', train=train, size=28), 28)


def _chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

def _png(width, height, data, bits=8, colour=0, extra=b''):
    head = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    chunks = _chunk(b'IHDR', head) + extra + _chunk(b'IDAT', data) + _chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + chunks

def _npy(dtype, shape, data=b''):
    "The file of one array, whose header may claim anything."
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
    return b'\x93NUMPY\x01\0' + struct.pack('<H', len(text)) + text.encode() + data

def _npz_of(member, data, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression, compresslevel=1) as z:
        with z.open(member, 'w', force_zip64=True) as f:
            for part in [data] if isinstance(data, bytes) else data: f.write(part)
    return buffer.getvalue()

class _Touch:
    def __reduce__(self): return os.system, ('touch RAN',)

def _objects():
    array = np.empty(3, object)
    array[:] = [_Touch()] * 3
    return _arrays(images=array)

def picture_bombs():
    rows = zlib.compress(bytes(10**6))
    text = _chunk(b'zTXt', b'Comment\0\0' + zlib.compress(bytes(3 * 10**8), 1))
    whole = zlib.compress(b'\0' + bytes(16))
    tiff = b'II*\0\x08\0\0\0'
    entry = struct.Struct('<HHII').pack
    tags = (entry(256, 4, 1, 10**5), entry(257, 4, 1, 10**5), entry(258, 3, 1, 8),
            entry(259, 3, 1, 1),
            entry(262, 3, 1, 1), entry(273, 4, 1, 8), entry(278, 4, 1, 10**5),
            entry(279, 4, 1, 2**31))
    loop = tiff + struct.pack('<H', 1) + entry(256, 4, 1, 4) + struct.pack('<I', 8)
    return {'huge.png': _png(60000, 60000, rows), 'huge16.png': _png(13000, 13000, rows, 16, 2),
            'zero.png': _png(0, 0, b''), 'max.png': _png(2**31 - 1, 2**31 - 1, b''),
            'thin.png': _png(10**8, 1, rows), 'text.png': _png(16, 1, whole, extra=text),
            'huge.tif': tiff + struct.pack('<H', len(tags)) + b''.join(tags) + bytes(4),
            'loop.tif': loop, 'many.tif': tiff + b'\xff\xff' + bytes(12 * 65535),
            'huge.pgm': b'P5 100000 100000 255\n' + bytes(100), 'negative.pgm': b'P5 -4 -4 255\n'
            + bytes(16),
            'max0.pgm': b'P5 4 4 0\n' + bytes(16), 'max70000.pgm': b'P5 4 4 70000\n' + bytes(32),
            'digits.pgm': b'P5 ' + b'9' * 10**5 + b' 4 255\n', 'max7.pgm': b'P5 4 4 7\n'
            + bytes(16),
            'above.pgm': b'P2 2 2 10\n1 2 3 11\n', 'words.pgm': b'P2 2 2 255\na b c d\n',
            'huge.bmp': b'BM' + struct.pack('<IIIIiiHHIIiiII', 54, 0, 54, 40, 10**5, 10**5, 1, 24,
                                            0, 0, 0, 0, 0, 0),
            'huge.gif': b'GIF89a' + struct.pack('<HHBBB', 65535, 65535, 0, 0, 0) + b','
            + struct.pack('<HHHHB', 0, 0, 65535, 65535, 0) + b'\x08\x01\0\0;',
            'huge.webp': b'RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff',
            'web.png': b'<!DOCTYPE html><html>',
            'lfs.png': b'version https://git-lfs.github.com/spec/v1\n',
            'script.png': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(RAN) (w) file\n',
            'icon.png': b'\0\0\1\0\1\0' + bytes(100)}

def array_bombs():
    npy, zeros = _npz_of, zipfile.ZIP_DEFLATED
    def bomb():
        yield _npy('|u1', (1200, 1000, 1000))
        yield from (bytes(10**6) for _ in range(1200))
    return {'claims.npz': npy('images.npy', _npy('|u1', (10**6, 10**6, 10**6))),
            'zeros.npz': npy('images.npy', bomb(), zeros),
            'zeros-labels.npz': npy('labels.npy', bomb(), zeros),
            'objects.npz': _objects(), 'negative.npz': npy('images.npy', _npy('|u1', (-1, 4, 4))),
            'float.npz': _arrays(images=np.zeros((12, 4, 4), np.float32)),
            'nothing.npz': _arrays(images=np.zeros((0, 4, 4), np.uint8)),
            'no-pixels.npz': _arrays(images=np.zeros((4, 0, 0), np.uint8)),
            'scalar.npz': _arrays(images=np.uint8(3)),
            'two-channels.npz': _arrays(images=np.zeros((12, 4, 4, 2), np.uint8)),
            'many-channels.npz': _arrays(images=np.zeros((12, 4, 4, 500), np.uint8)),
            'wide.npz': _arrays(images=np.zeros((12, 4, 6), np.uint8)),
            'first.npz': _arrays(images=np.zeros((12, 3, 16, 16), np.uint8)),
            'text-labels.npz': _arrays(images=np.zeros((2, 4, 4), np.uint8),
                                       labels=np.array(['a', 'b'])),
            'float-labels.npz': _arrays(images=np.zeros((2, 4, 4), np.uint8),
                                        labels=np.array([.5, np.nan])),
            'negative-labels.npz': _arrays(images=np.zeros((2, 4, 4), np.uint8),
                                           labels=np.array([-1, 0])),
            'huge-labels.npz': _arrays(images=np.zeros((2, 4, 4), np.uint8),
                                       labels=np.array([0, 2**62])),
            'unsigned-labels.npz': _arrays(images=np.zeros((2, 4, 4), np.uint8),
                                           labels=np.array([0, 2**64 - 1], np.uint64)),
            'few-labels.npz': _arrays(images=np.zeros((3, 4, 4), np.uint8),
                                      labels=np.array([0, 1])),
            'column-labels.npz': _arrays(images=np.zeros((2, 4, 4), np.uint8),
                                         labels=np.zeros((2, 1), int)),
            'other.npz': _arrays(x=np.zeros(3)), 'text.npz': b'hello',
            'array.npz': _npy('|u1', (2, 4, 4), bytes(32)),
            'deep-header.npz': npy('images.npy', _npy('(' * 90 + '|u1', (2, 4, 4))),
            'not-images.npz': npy('images.npy', b'no array')}

def mnist_bombs():
    labels = bytes([0, 0, 8, 1]) + struct.pack('>I', 20)
    floats = bytes([0, 0, 13, 3]) + struct.pack('>3I', 20, 28, 28) + bytes(4 * 20 * 28 * 28)
    def images(*shape): return bytes([0, 0, 8, 3]) + struct.pack('>3I', *shape)
    return {('train-images-idx3-ubyte', 'claims'): images(2**31, 28, 28),
            ('train-images-idx3-ubyte', 'large'): images(2**32 - 1, 2**32 - 1, 2**32 - 1)
            + bytes(100),
            ('train-images-idx3-ubyte', 'none'): images(0, 28, 28),
            ('train-images-idx3-ubyte', 'wide'): images(20, 14, 56) + bytes(20 * 28 * 28),
            ('train-images-idx3-ubyte', 'fewer'): images(19, 28, 28) + bytes(19 * 28 * 28),
            ('train-images-idx3-ubyte', 'rest'): images(20, 28, 28) + bytes(20 * 28 * 28 + 1),
            ('train-images-idx3-ubyte', 'flat'): labels + bytes(20),
            ('train-images-idx3-ubyte', 'floats'): floats,
            ('train-labels-idx1-ubyte', 'ten'): labels + bytes([10] * 20),
            ('train-labels-idx1-ubyte', 'fewer'): bytes([0, 0, 8, 1, 0, 0, 0, 19]) + bytes(19),
            ('train-labels-idx1-ubyte', 'many axes'): bytes([0, 0, 8, 255]) + bytes(2000)}


class Pictures(Cases):
    name = 'pictures'

    def prepare(self):
        self.whole, self.arrays, self.mnist = whole_pictures(), whole_arrays(), whole_mnist()
        bombs, arrays = picture_bombs(), array_bombs()
        same = lambda data: lambda rng, folder, name: (folder/name).write_bytes(data)
        self.crafted = [('whole', partial(self._picture, n, same(d)))
                        for n, d in self.whole.items()]
        self.crafted += [('whole', partial(self._array, n, same(d)))
                         for n, d in self.arrays.items()]
        self.crafted += [('whole', partial(self._mnist, n, same(d))) for n, d in self.mnist.items()]
        self.crafted += [('bomb', partial(self._picture, n, same(d))) for n, d in bombs.items()]
        self.crafted += [('bomb', partial(self._array, n, same(d))) for n, d in arrays.items()]
        self.crafted += [(w, partial(self._mnist, n, same(d)))
                         for (n, w), d in mnist_bombs().items()]
        for kind, replace in KINDS.items():
            place = lambda rng, folder, name, replace=replace: replace(rng, folder/name)
            if kind != 'gone':
                self.crafted.append((kind, partial(self._picture, 'grey.png', place)))
            self.crafted.append((kind, partial(self._array, 'plain.npz', place)))
            self.crafted += [(kind, partial(self._mnist, name, place)) for name in MNIST[:2]]

    def _picture(self, name, put, rng, folder):
        "Between two whole ones."
        for other in ('first.png', 'third.png'): (folder/other).write_bytes(self.whole['grey.png'])
        put(rng, folder, name)
        reader = read_photos if rng.random() < .3 else read_folder
        return folder/name, partial(reader, folder)

    def _array(self, name, put, rng, folder):
        put(rng, folder, name)
        return folder/name, partial(_in, folder, read_npz, folder/name)

    def _mnist(self, name, put, rng, folder):
        raw = folder/'mnist'/'MNIST'/'raw'
        raw.mkdir(parents=True)
        for other, data in self.mnist.items(): (raw/other).write_bytes(data)
        put(rng, raw, name)
        twins = [other for other in MNIST
                 if other.startswith(name[:4])]    # of which one is too short
        return raw/name, partial(read_mnist, folder, name.startswith('train')), twins

    def damage(self, rng, folder):
        kind, files = rng.choices(((self._picture, self.whole), (self._array, self.arrays),
                                   (self._mnist, self.mnist)), (6, 2, 2))[0]
        name = rng.choice(list(files))
        way, data = damaged(rng, files[name])
        if name.endswith('.npz') and rng.random() < .5: way, data = self._member(rng, files[name])
        put = lambda rng, where, name: (where/name).write_bytes(data)
        return way, *kind(name, put, rng, folder)

    def _member(self, rng, data):
        "A whole archive with one damaged array."
        with zipfile.ZipFile(io.BytesIO(data)) as z: members = {n: z.read(n) for n in z.namelist()}
        name = rng.choice(list(members))
        way, members[name] = damaged(rng, members[name])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, 'w') as z:
            for n, content in members.items(): z.writestr(n, content)
        return f'{way} in {name}', buffer.getvalue()


def _in(folder, reader, *args):
    os.chdir(folder)
    return reader(*args)


# records, plans and configurations

VALUES = (None, True, [], {}, '', 'text', -1, 0, 1e300, 10**30, float('nan'), ['a'], {'a': 1},
          [[]], '\ud800', 'a' * 10**4, '<script>alert(1)</script>', '../../x', '/etc/passwd', '\0')

def other_value(rng, whole):
    "A nested object with one value changed, removed or added, somewhere."
    whole = json.loads(json.dumps(whole))
    part = whole
    while True:
        inside = [k for k in _keys(part) if isinstance(part[k], (dict, list)) and part[k]]
        if not inside or rng.random() < .4: break
        part = part[rng.choice(inside)]
    keys, value = list(_keys(part)), rng.choice(VALUES)
    key, way = rng.choice(keys), rng.choice(('change', 'change', 'remove', 'add'))
    if way == 'remove': part.pop(key)
    elif way == 'change': part[key] = value
    elif isinstance(part, dict): part[rng.choice(('extra', '', 'a b', '<b>', '__class__'))] = value
    else: part.append(value)
    return f'{way} {key!r} {value!r:.30}', whole

def _keys(part): return part.keys() if isinstance(part, dict) else range(len(part))

JSON_TEXTS = {
    'empty': '', 'blank': ' \n', 'null': 'null', 'list': '[]', 'number': '3', 'text': '"a"',
    'object': '{}',
    'deep': '[' * 10**6, 'deep-object': '{"a":' * 10**5, 'digits': '{"schema": ' + '9' * 10**5
    + '}',
    'schema-text': '{"schema": "2", "experiment": "a", "run": "b"}',
    'schema-null': '{"schema": null, "experiment": "a", "run": "b"}',
    'schema-list': '{"schema": [2], "experiment": "a", "run": "b"}',
    'schema-nan': '{"schema": NaN, "experiment": "a", "run": "b"}',
    'schema-1': '{"schema": 1, "experiment": "a", "run": "b"}',
    'schema-3': '{"schema": 3, "experiment": "a", "run": "b"}',
    'schema-huge': '{"schema": 1e999, "experiment": "a", "run": "b"}',
    'experiment-list': '{"schema": 2, "experiment": [], "run": {}}',
    'bare': '{"schema": 2, "experiment": "train_backbone", "run": "b"}',
    'twice': '{"schema": 2, "schema": 1, "experiment": "a", "run": "b"}',
    'comment': '// a\n{}', 'page': '<html></html>', 'two': '{}{}',
    'lfs': 'version https://git-lfs\n'}
BYTES = {'latin': '{"run": "\xfc"}'.encode('latin1'), 'utf16': '{}'.encode('utf16'),
         'nul': b'\0' * 100,
         'bom': b'\xef\xbb\xbf{"schema": 2}', 'surrogate': b'{"run": "\\ud800"}',
         'png': b'\x89PNG\r\n'}


def read_one(file):
    record = read_record(file)
    json.dumps(record)
    return 'read'

def read_all(file):
    read_records(file.parents[1])
    return 'read'

def compare_folder(file):
    config, data = {'model': {'class': 'BackboneConfig'}, 'seed': 0}, {'name': 'digits'}
    try: check_folder(file.parent, 'train_backbone', config, data)
    except FileExistsError as e:
        if 'holds another run' in str(e): return 'read'
        raise
    return 'read'

def read_model_config(file):
    config_from_json(file)
    return 'read'


class Records(Cases):
    name = 'records'
    readers = (read_one, read_all, compare_folder, read_model_config)

    def prepare(self):
        files = ('outputs/demo/PT/run.json', 'outputs/demo/verdict/run.json',
                 'outputs/judge_mnist/run.json', 'outputs/fields/V3-light/config.json')
        self.whole = {f: (ROOT/f).read_bytes() for f in files if (ROOT/f).is_file()}
        texts = {**{k: v.encode() for k, v in JSON_TEXTS.items()}, **BYTES}
        self.crafted = [(f'{name}, {reader.__name__}', partial(self._put, reader, data))
                        for name, data in texts.items() for reader in self.readers]
        self.crafted += [(f'{kind}, {reader.__name__}', partial(self._replace, reader, replace))
                         for kind, replace in KINDS.items() for reader in self.readers]

    def _put(self, reader, data, rng, folder):
        file = folder/'runs'/'a'/'run.json'
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        return file, partial(reader, file)

    def _replace(self, reader, replace, rng, folder):
        file, read = self._put(reader, b'{}', rng, folder)
        replace(rng, file)
        if reader in (compare_folder, read_all) and not os.path.lexists(file):
            file = file.parent                       # no record: named is the folder
            if reader is compare_folder: return file, lambda: 'read'
            return folder/'runs', read
        return file, read

    def damage(self, rng, folder):
        data = rng.choice(list(self.whole.values()))
        way, new = damaged(rng, data)
        if rng.random() < .5:
            way, changed = other_value(rng, json.loads(data))
            new = json.dumps(changed).encode()
        reader = rng.choice(self.readers)
        file, read = self._put(reader, new, rng, folder)
        return f'{way}, {reader.__name__}', file, read


def _nodes(value, limit=NODES):
    "Values in a nested object, when every reference is followed; at most `limit`."
    count, stack = 0, [value]
    while stack and count < limit:
        part = stack.pop()
        count += 1
        if isinstance(part, dict): stack += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple, set)): stack += part
    return count

def read_the_plan(file):
    plan = read_plan(file)
    nodes = _nodes(dict(plan.runs))
    assert nodes < NODES, f'a plan of {nodes:,} values was taken'
    for name in plan.runs:
        assert isinstance(name, str) and name and name == name.strip(), f'a run is called {name!r}'
        assert '/' not in name and name not in ('.', '..'), f'a run leaves its folder: {name!r}'
    return 'read'

def read_names(file):
    plan_names(file)
    return 'read'

def _laughs(levels, width=10):
    lines = ['a0: &a0 [x, x]']
    for i in range(levels): lines.append(f'a{i + 1}: &a{i + 1} [{", ".join([f"*a{i}"] * width)}]')
    return '\n'.join(lines)

HEAD = 'notebook: ../images/train_backbone.ipynb\n'
def _run(text): return f'{HEAD}runs:\n  a: {{{text}}}\n'

YAML_TEXTS = {
    'empty': '', 'null': 'null', 'list': '- a\n', 'text': 'hello', 'number': '3',
    'colon': 'a: b: c',
    'laughs': HEAD + _laughs(9) + '\nruns: {a: {data: *a9}}\n',
    'laughs-run': HEAD + 'runs:\n  a:\n    data: &a0 [x, x]\n' + '\n'.join(
        f'  b{i}:\n    data: &a{i + 1} [{", ".join([f"*a{i}"] * 10)}]' for i in range(9)),
    'laughs-common': HEAD + 'common:\n' + '\n'.join(
        f'  k{i}: &c{i + 1} [{", ".join([f"*c{i}"] * 10) if i else "x"}]' for i in range(9))
        + '\nruns: {a: }\n',
    'merge': HEAD + 'runs:\n  a: &a {seed: 1}\n' + '\n'.join(
        f'  b{i}: &b{i}\n    <<: [{", ".join(["*a" if not i else f"*b{i - 1}"] * 10)}]'
        for i in range(8)),
    'cycle': HEAD + 'runs: &r\n  a: *r\n', 'cycle-value': _run('data: &d [*d]'),
    'cycle-key': HEAD + 'runs: &r {? *r : 1}\n',
    'deep': '[' * 10**5, 'deep-run': _run('data: ' + '[' * 3000 + ']' * 3000),
    'deep-map': '{a: ' * 5000,
    'deep-block': '\n'.join(' ' * i + 'a:' for i in range(2000)),
    'object': HEAD + 'runs: !!python/object/apply:os.system ["touch RAN"]\n',
    'tag': _run('data: !secret x'), 'binary': _run('data: !!binary aGVsbG8='),
    'set': _run('data: !!set {a}'),
    'omap': _run('data: !!omap [a: 1]'), 'timestamp': _run('data: 2001-01-01'),
    'bad-time': _run('data: 2001-99-99'), 'long': _run('seed: ' + '9' * 10**5),
    'hex': _run('seed: 0x' + 'f' * 10**5),
    'sixty': _run('seed: 1:30:30'), 'inf': _run('lr: .inf'), 'nan': _run('lr: .nan'),
    'float': _run('lr: 1e-4'),
    'twice': HEAD + 'runs:\n  a: {seed: 1}\n  a: {seed: 2}\n',
    'twice-key': _run('seed: 1, seed: 2'),
    'names': HEAD + 'runs: {1: , 2: }\n', 'yes': HEAD + 'runs: {yes: , no: }\n', 'nothing': HEAD
    + 'runs: {~: }\n',
    'list-name': HEAD + 'runs: {? [a] : }\n', 'float-name': HEAD + 'runs: {1.5: , .nan: }\n',
    'up': HEAD + 'runs: {../../x: }\n', 'absolute': HEAD + 'runs: {/tmp/x: }\n', 'dot': HEAD
    + 'runs: {.: }\n',
    'blank': HEAD + 'runs: {"": , " ": }\n', 'line': HEAD + 'runs: {"a\\nb": }\n', 'dash': HEAD
    + 'runs: {-rf: }\n',
    'nul': HEAD + 'runs: {"a\\0b": }\n', 'long-name': HEAD + f'runs: {{{"a" * 5000}: }}\n',
    'tab': '\tnotebook: a', 'runs-list': HEAD + 'runs: [a, b]\n', 'runs-text': HEAD + 'runs: a\n',
    'needs-itself': _run('needs: a'), 'needs-number': _run('needs: 3'),
    'needs-map': _run('needs: {a: b}'),
    'needs-deep': _run('needs: [[a]]'), 'needs-text': _run('needs: ""'), 'out': _run('out: x'),
    'unknown': _run('nope: 1'),
    'base-itself': HEAD + 'base: plan.yaml\nruns: {a: }\n', 'base-list': HEAD
    + 'base: [a]\nruns: {a: }\n',
    'base-folder': HEAD + 'base: ..\nruns: {a: }\n', 'base-gone': HEAD
    + 'base: gone.yaml\nruns: {a: }\n',
    'base-endless': HEAD + 'base: /dev/zero\nruns: {a: }\n', 'base-number': HEAD
    + 'base: 3\nruns: {a: }\n',
    'notebook-list': 'notebook: [a]\nruns: {a: }\n',
    'notebook-number': 'notebook: 3\nruns: {a: }\n',
    'notebook-folder': 'notebook: ..\nruns: {a: }\n',
    'notebook-self': 'notebook: plan.yaml\nruns: {a: }\n',
    'notebook-endless': 'notebook: /dev/zero\nruns: {a: }\n', 'key-number': HEAD
    + '1: 2\nruns: {a: }\n',
    'key-mixed': HEAD + '1: 2\nb: 3\n~: 4\nruns: {a: }\n', 'param-number': _run('1: 2, ~: 3, b: 4'),
    'common-list': HEAD + 'common: [a]\nruns: {a: }\n', 'documents': HEAD
    + 'runs: {a: }\n---\nb: c\n',
    'alias': HEAD + 'runs: *gone\n', 'escape': HEAD + 'runs: {"\\ud800": }\n', 'many': HEAD
    + 'runs:\n' + ''.join(
        f'  r{i}: {{seed: {i}}}\n' for i in range(3000))}
YAML_BYTES = {'latin': 'a: \xfc'.encode('latin1'), 'utf16': HEAD.encode('utf16'), 'nul': b'\0' * 50,
              'control': b'a: \x07', 'png': b'\x89PNG\r\n', 'bom': b'\xef\xbb\xbf'
              + _run('seed: 1').encode()}


class Plans(Cases):
    name = 'plans'

    def prepare(self):
        plans = ROOT/'nbs'/'experiments'/'plans'
        self.whole = {f.name: f.read_bytes() for f in sorted(plans.glob('*.yaml'))}
        self.names = [n for n, data in self.whole.items() if b'\nruns:' in data]
        texts = {**{k: v.encode() for k, v in YAML_TEXTS.items()}, **YAML_BYTES}
        self.crafted = [(f'{name}, {reader.__name__}', partial(self._put, reader, 'plan.yaml',
                                                               data))
                        for name, data in texts.items() for reader in (read_the_plan, read_names)]
        self.crafted += [(f'{kind}, {reader.__name__}', partial(self._replace, reader, replace))
                         for kind, replace in KINDS.items()
                         for reader in (read_the_plan, read_names)]
        self.crafted += [('whole', partial(self._put, read_the_plan, name, self.whole[name]))
                         for name in self.names]

    def _put(self, reader, name, data, rng, folder):
        "In a copy of the folder of plans, beside the notebooks."
        (folder/'plans').mkdir()
        for kind in ('images', 'fields', 'speed'):
            (folder/kind).symlink_to(ROOT/'nbs'/'experiments'/kind)
        for other in self.whole:
            there = ROOT/'nbs'/'experiments'/'plans'/other
            if other != name: (folder/'plans'/other).symlink_to(there)
        file = folder/'plans'/name
        file.write_bytes(data)
        words = [name, str(file.parent), '/dev/zero']          # the plan, or its base or notebook
        return file, partial(_in, folder, reader, file), words

    def _replace(self, reader, replace, rng, folder):
        file, read, words = self._put(reader, 'plan.yaml', b'a', rng, folder)
        replace(rng, file)
        return file, read, words

    def damage(self, rng, folder):
        name = rng.choice(self.names)
        data = self.whole[name]
        way, new = damaged(rng, data)
        if rng.random() < .5:
            way, changed = other_value(rng, yaml.safe_load(data))
            new = json.dumps(changed).encode()                     # JSON is YAML
        elif rng.random() < .5: way, new = self._lines(rng, data)
        reader = rng.choice((read_the_plan, read_the_plan, read_names))
        return f'{way}, {reader.__name__}', *self._put(reader, name, new, rng, folder)

    def _lines(self, rng, data):
        "A line removed, doubled, moved or indented."
        lines = data.splitlines()
        at = rng.randrange(len(lines))
        way = rng.choice(('remove', 'double', 'indent', 'dedent', 'move'))
        line = lines.pop(at)
        if way == 'double': lines[at:at] = [line, line]
        if way == 'indent': lines.insert(at, b' ' * rng.randint(1, 4) + line)
        if way == 'dedent': lines.insert(at, line.strip())
        if way == 'move': lines.insert(rng.randrange(len(lines) + 1), line)
        return f'{way} line {at + 1}', b'\n'.join(lines)


def build_config(values):
    config = from_dict(values)
    json.dumps(config.to_dict())
    return 'read'


class Configs(Cases):
    "Configurations as dictionaries: from no file, so an error names the class or a field."
    name = 'configs'

    def prepare(self):
        from mambaflow.fields.model import FieldConfig
        from mambaflow.nets.backbones import BackboneConfig
        from mambaflow.studies.judge import JudgeConfig
        from mambaflow.training.trainer import TrainConfig
        self.whole = [c().to_dict() for c in (BackboneConfig, FieldConfig, JudgeConfig,
                                              TrainConfig)]

    def damage(self, rng, folder):
        values = dict(rng.choice(self.whole))
        key = rng.choice(list(values))
        values[key] = rng.choice(VALUES + (float('inf'), -.5, 2**63, (1, 2), b'x', 1j, {1, 2},
                                           [[1]]))
        if rng.random() < .2: values.pop(key)
        words = [key, key.replace('_', ' '), str(values.get('class'))]
        return f'{key} = {values.get(key)!r:.40}', folder/'config', partial(build_config,
                                                                            values), words

