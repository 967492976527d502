"""What a round of threshold answers for the picture of ../../cells, computed in plain Python.

Writes start.f64 and expected/answer.sha256, or with --check compares with them. The digest is of
the mask of the whole picture, a byte for each pixel, row by row, and the number of cells stands
behind it. It is what

    medusa session run threshold.wasm --input ../../cells/cells.png \\
        --split by=tiles,width=512,height=256,overlap=72 \\
        --in start.f64 --reduce concat --out mask

writes: tiles as wide as the picture are rows of it, one behind the other.
"""

import hashlib
import pathlib
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from kept import keep

THRESHOLD, NEAR, SMALL = 60.0, 2, 20


def picture(png):
    """The pixels of a grey PNG of 8 bits without interlacing, row by row."""
    at, packed = 8, b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IHDR":
            w, h, *form = struct.unpack_from(">IIBBBBB", png, at + 8)
            assert form == [8, 0, 0, 0, 0], form
        packed += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    raw, rows, above = zlib.decompress(packed), [], bytes(w)
    for y in range(h):
        filtered, *row = raw[y * (w + 1) : (y + 1) * (w + 1)]
        for x in range(w):
            left, up, corner = row[x - 1] if x else 0, above[x], above[x - 1] if x else 0
            guess = left + up - corner
            near = min((abs(guess - v), n) for n, v in enumerate((left, up, corner)))[1]
            add = (0, left, up, (left + up) // 2, (left, up, corner)[near])[filtered]
            row[x] = (row[x] + add) % 256
        rows.append(row)
        above = row
    return rows


def smooth(rows):
    """Sums of 5 x 5 pixels; beyond the border the nearest one counts again."""
    h, w = len(rows), len(rows[0])
    near = range(-NEAR, NEAR + 1)
    sums = [[sum(row[min(max(x + d, 0), w - 1)] for d in near) for x in range(w)] for row in rows]
    return [[sum(sums[min(max(y + d, 0), h - 1)][x] for d in near) for x in range(w)]
            for y in range(h)]


def count(mask):
    """Groups of at least 20 pixels that touch at their sides."""
    left = {(y, x) for y, row in enumerate(mask) for x, on in enumerate(row) if on}
    cells = 0
    while left:
        group = [left.pop()]
        for y, x in group:
            beside = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left
            group.extend(beside)
            left -= beside
        cells += len(group) >= SMALL
    return cells


def main():
    sums = smooth(picture((HERE / "../../cells/cells.png").read_bytes()))
    mask = [bytes(s > THRESHOLD * 25 for s in row) for row in sums]
    digest = hashlib.sha256(b"".join(mask)).hexdigest()
    files = {
        "start.f64": struct.pack("<d", THRESHOLD),
        "expected/answer.sha256": f"{digest}  mask, {count(mask)} cells\n".encode(),
    }
    keep(HERE, files)


if __name__ == "__main__":
    main()
