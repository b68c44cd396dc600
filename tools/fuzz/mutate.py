"""Ways to damage bytes, a file and a folder. Each takes a `random.Random` and says what it did."""
import os
import random
import shutil
import socket
from pathlib import Path


def flip(rng, data): # one bit
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]

def flips(rng, data): # two to nine bits
    for _ in range(rng.randint(2, 9)): data = flip(rng, data)
    return data

def early(rng, data): # one bit of the first 64 bytes, where headers are
    return flip(rng, data[:64]) + data[64:]

def late(rng, data): # one bit of the last 256 bytes, where tables of contents are
    return data[:-256] + flip(rng, data[-256:])

def change(rng, data): # one to eight bytes in a row
    n = rng.randint(1, 8)
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(n) + data[at + n:]

def extreme(rng, data): # a number becomes 0, 1, -1 or the largest
    n = rng.choice((1, 2, 4, 8))
    at = rng.randrange(len(data))
    value = rng.choice((b'\0' * n, b'\1' + b'\0' * (n - 1), b'\xff' * n, b'\xff' * (n - 1)
                        + b'\x7f'))
    return data[:at] + value + data[at + n:]

def zero(rng, data): # a block of zeros, as a hole in a file
    at = rng.randrange(len(data))
    n = min(rng.choice((16, 512, 4096)), len(data) - at)
    return data[:at] + bytes(n) + data[at + n:]

def cut(rng, data): return data[:rng.randrange(1, max(2, len(data)))]

def cut_end(rng, data): return data[:-rng.randint(1, 16)]

def empty(rng, data): return b''

def longer(rng, data): return data + rng.randbytes(rng.choice((1, 7, 512, 4096)))

def insert(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 16)) + data[at:]

def remove(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 64):]

def double(rng, data): # a part stands there twice
    at = rng.randrange(len(data))
    n = rng.choice((1, 8, 64, 512))
    return data[:at] + data[at:at + n] + data[at:]

def swap(rng, data): # two halves exchanged
    at = rng.randrange(len(data))
    return data[at:] + data[:at]

def noise(rng, data): return rng.randbytes(len(data))

BYTES = {f.__name__: f for f in (flip, flips, early, late, change, extreme, zero, cut, cut_end,
                                 empty,
                                 longer, insert, remove, double, swap, noise)}
OFTEN = {'flip': 6, 'early': 3, 'late': 2, 'change': 3, 'cut': 3, 'extreme': 3}

def damaged(rng:random.Random, data:bytes, only:tuple[str, ...]=()) -> tuple[str, bytes]:
    "A name of a way, and other bytes than those given."
    names = list(only or BYTES)
    while True:
        name = rng.choices(names, [OFTEN.get(n, 1) for n in names])[0]
        if not data: return 'longer', longer(rng, data)
        new = BYTES[name](rng, data)
        if new != data: return name, new


# what is no file

def _gone(rng, path): delete(path)

def _folder(rng, path):
    delete(path)
    path.mkdir()

def _fifo(rng, path):
    delete(path)
    os.mkfifo(path)

def _socket(rng, path):
    delete(path)
    here = os.getcwd()
    os.chdir(path.parent)              # the path of a socket may be long, its name may not
    try:
        with socket.socket(socket.AF_UNIX) as s: s.bind(path.name)
    except OSError: os.mkfifo(path)
    finally: os.chdir(here)

def _dangling(rng, path):
    delete(path)
    path.symlink_to('nowhere')

def _loop(rng, path):
    delete(path)
    path.symlink_to(path.name)

def _endless(rng, path):
    delete(path)
    path.symlink_to('/dev/zero')

def _null(rng, path):
    delete(path)
    path.symlink_to('/dev/null')

KINDS = {'gone': _gone, 'folder': _folder, 'fifo': _fifo, 'socket': _socket, 'dangling': _dangling,
         'loop': _loop, 'endless': _endless, 'null': _null}

def delete(path:Path):
    "A file or a folder, if it is there."
    if path.is_dir() and not path.is_symlink(): shutil.rmtree(path)
    else: path.unlink(missing_ok=True)

def replaced(rng:random.Random, path:Path) -> str:
    "Put something that is no file in the place of a file. Returns what."
    name = rng.choice(list(KINDS))
    KINDS[name](rng, path)
    return name
