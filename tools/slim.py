"""Make the pictures in notebooks (their PNG outputs) and PNG files smaller: a palette of some colours instead of 24 or 32 bits a pixel; photos in notebooks as JPEG.
Pictures without colour, such as grids of digits, get a sixth as many greys, four to eight.
usage: python tools/slim.py COLOURS FILE..."""
import base64
import io
import json
import os
import sys
from pathlib import Path
from PIL import Image, ImageChops

def flat(png:bytes) -> Image.Image:
    "A picture on white."
    picture = Image.open(io.BytesIO(png)).convert('RGBA')
    return Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture).convert('RGB')

def saved(picture:Image.Image, kind:str, **options) -> bytes:
    picture.save(file := io.BytesIO(), kind, optimize=True, **options)
    return file.getvalue()

def is_grey(picture:Image.Image) -> bool:
    "Whether a picture has no colour, as far as one sees."
    grey = picture.convert('L').convert('RGB')
    return max(high for _, high in ImageChops.difference(picture, grey).getextrema()) <= 6

def slim(png:bytes, colours:int) -> bytes:
    "The same picture with a palette, if that is smaller by a quarter: what is done is not done again."
    picture = flat(png)
    if is_grey(picture): colours = min(8, max(4, colours // 6))
    palette = picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    small = saved(palette, 'PNG')
    return small if len(small) < .75 * len(png) else png

def photo(png:bytes) -> bytes|None:
    "As JPEG, if it has the colours of a photo and is then less than half as large."
    picture = flat(png)
    if picture.getcolors(20_000): return None
    jpeg = saved(picture, 'JPEG', quality=85, subsampling=0)
    return jpeg if len(jpeg) < .5 * len(png) else None

def slim_output(data:dict, colours:int):
    "The data of one output of a cell."
    png = base64.b64decode(''.join(data['image/png']))
    if jpeg := photo(png):
        del data['image/png']
        data['image/jpeg'] = base64.b64encode(jpeg).decode()
    else: data['image/png'] = base64.b64encode(slim(png, colours)).decode()

def slim_notebook(text:str, colours:int) -> str:
    notebook = json.loads(text)
    for data in (o.get('data', {}) for c in notebook['cells'] for o in c.get('outputs', [])):
        if 'image/png' in data: slim_output(data, colours)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n'

for file in map(Path, sys.argv[2:]):
    before = file.read_bytes()
    after = slim(before, int(sys.argv[1])) if file.suffix == '.png' else slim_notebook(before.decode(), int(sys.argv[1])).encode()
    if len(after) < len(before):
        file.with_suffix('.tmp').write_bytes(after)
        os.replace(file.with_suffix('.tmp'), file)
        print(f'{file}: {len(before) >> 10} to {len(after) >> 10} KiB')
