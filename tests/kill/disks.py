"""Small file systems of one's own, where a test may mount them: to fill, and to lose power on."""
import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path


def _sh(*command):
    subprocess.run([str(c) for c in command], check=True, capture_output=True, timeout=60)


def no_mounts(root:Path) -> str: # '' where one may
    "Why nothing can be mounted here."
    if os.geteuid(): return 'only root may mount a small disk'
    if not shutil.which('mkfs.ext4'): return 'there is no mkfs.ext4'
    try:
        with ext4(root/'probe', 4): return ''
    except (subprocess.SubprocessError, OSError) as e: return f'nothing can be mounted here: {e}'


@contextlib.contextmanager
def mounted(image:Path, place:Path):
    "An image, mounted at a folder."
    place.mkdir(parents=True, exist_ok=True)
    _sh('mount', '-o', 'loop,commit=1', image, place)    # names reach the disk within a second
    try: yield place
    finally: _sh('umount', place)


@contextlib.contextmanager
def ext4(base:Path, megabytes:int):
    "A fresh ext4 of so many megabytes, in a file beside it."
    image = base.with_suffix('.img')
    image.parent.mkdir(parents=True, exist_ok=True)
    with open(image, 'wb') as f: f.truncate(megabytes << 20)
    _sh('mkfs.ext4', '-q', '-F', '-m', '0', '-b', '1024', image)
    with mounted(image, base) as place: yield place


@contextlib.contextmanager
def tmpfs(place:Path, size:str):
    place.mkdir(parents=True, exist_ok=True)
    _sh('mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', place)
    try: yield place
    finally: _sh('umount', place)


def enlarge(place:Path, size:str): _sh('mount', '-o', f'remount,size={size}', place)


def copy_image(base:Path, copy:Path):
    "What a machine would find that loses its power now."
    _sh('cp', '--sparse=always', base.with_suffix('.img'), copy)


def fill(file:Path, left:int): # bytes
    "Write a file until so little room is left."
    with open(file, 'wb', buffering=0) as f:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while True:
                    room = os.statvfs(file.parent)
                    if room.f_bavail * room.f_frsize < left + size: break
                    if not f.write(bytes(size)): raise OSError(errno.ENOSPC, 'full')
        os.fsync(f.fileno())
