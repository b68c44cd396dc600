"""Progress bars of several runs at once, as lines: every tenth of a bar, at its end, and once in half a minute. Other lines pass.

    PROGRAM 2>&1 | python tools/bars.py"""
import os
import re
import sys
import time

TENTH, SECONDS = 10, 30
BAR = re.compile(r'\s*(.*?):?\s*(\d+)%\|[^|]*\|\s*(.*)')
last = {}           # name of a bar -> its tenth, and when it was shown


def shown(line):
    "What to print for a piece between carriage returns; nothing for most states of a bar."
    line = re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', line).rstrip()
    bar = BAR.match(line)
    if bar is None: return line
    name, percent, rest = bar[1], int(bar[2]), bar[3]
    tenth, now = percent // TENTH, time.monotonic()
    before, when = last.get(name, (-1, 0.))
    if tenth == before and now - when < SECONDS: return ''
    last[name] = tenth, now
    return f'    {name or "run":12} {percent:3d}%  {rest}'


def main():
    rest = b''
    while data := os.read(0, 65536):
        *pieces, rest = re.split(rb'[\r\n]+', rest + data)
        for piece in pieces: show(piece)
    show(rest)


def show(piece):
    text = shown(piece.decode('utf8', 'replace'))
    if text: print(text, flush=True)


if __name__ == '__main__':
    try: main()
    except KeyboardInterrupt: sys.exit(130)
