"""Make the pictures in notebooks (their PNG outputs) and PNG files smaller: a palette of some colours instead of 24 or 32 bits a pixel.
usage: python tools/slim.py COLOURS FILE..."""
import base64
import io
import json
import os
import sys
from pathlib import Path
from PIL import Image

def slim(png:bytes, colours:int) -> bytes:
    "The same picture on white with a palette, if that is smaller by a quarter: what is done is not done again."
    picture = Image.open(io.BytesIO(png)).convert('RGBA')
    flat = Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture).convert('RGB')
    flat.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(small := io.BytesIO(), 'PNG', optimize=True)
    return min(small.getvalue(), png, key=lambda x: len(x) if x is not png else .75 * len(x))

def slim_notebook(text:str, colours:int) -> str:
    notebook = json.loads(text)
    for data in (o.get('data', {}) for c in notebook['cells'] for o in c.get('outputs', [])):
        if 'image/png' in data: data['image/png'] = base64.b64encode(slim(base64.b64decode(''.join(data['image/png'])), colours)).decode()
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n'

for file in map(Path, sys.argv[2:]):
    before = file.read_bytes()
    after = slim(before, int(sys.argv[1])) if file.suffix == '.png' else slim_notebook(before.decode(), int(sys.argv[1])).encode()
    if len(after) < len(before):
        file.with_suffix('.tmp').write_bytes(after)
        os.replace(file.with_suffix('.tmp'), file)
        print(f'{file}: {len(before) >> 10} to {len(after) >> 10} KiB')
