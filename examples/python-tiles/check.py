"""Proves that cutting the picture does not change the result, and compares it with the C example.

Runs cells.py over the whole picture and over tiles as the splitter makes them, with this machine's
own Python and nothing else, and compares both with expected/cells.csv. Then looks for each cell of
../cells/expected/cells.csv, which another program found in another way: the same 109 cells, their
centres at most 2 pixels apart.

    python3 check.py            # --write writes expected/ anew
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import zlib
from unittest import mock

import cells

HERE = pathlib.Path(__file__).parent


def grey_png(path):
    """Rows of a grey PNG of 8 bits without interlacing."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            w, h = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
            assert body[8:] == b"\x08\0\0\0\0", "an 8-bit grey picture"
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    raw, rows, above = zlib.decompress(packed), [], bytes(w)
    for y in range(h):
        row = bytearray(raw[y * (w + 1) + 1 : (y + 1) * (w + 1)])
        for x in range(w):
            left, corner = (row[x - 1], above[x - 1]) if x else (0, 0)
            guess = left + above[x] - corner
            nearest = min((left, above[x], corner), key=lambda v: abs(guess - v))
            filters = (0, left, above[x], (left + above[x]) // 2, nearest)
            row[x] = row[x] + filters[raw[y * (w + 1)]] & 255
        rows.append(bytes(row))
        above = row
    return rows


def run(pgm, args, out):
    """Standard output and rows of one run."""
    stdin = mock.Mock(buffer=io.BytesIO(pgm))
    real_open = open
    fake_open = lambda path, *more: real_open(out / path.rsplit("/")[-1], *more)
    with (
        mock.patch.object(sys, "argv", ["cells.py", *args]),
        mock.patch.object(sys, "stdin", stdin),
        mock.patch("builtins.open", fake_open),
        contextlib.redirect_stdout(io.StringIO()) as said,
    ):
        cells.main()
    return said.getvalue(), (out / "cells.csv").read_text().splitlines()


def tiles(rows, split):
    """The PGM of each tile."""
    all_w, all_h, overlap = len(rows[0]), len(rows), split["overlap"]
    for y in range(0, all_h, split["height"]):
        for x in range(0, all_w, split["width"]):
            w, h = min(split["width"], all_w - x), min(split["height"], all_h - y)
            left, top = max(0, x - overlap), max(0, y - overlap)
            part = [row[left : x + w + overlap] for row in rows[top : y + h + overlap]]
            comment = f"# medusa tile x={left} y={top} core={x},{y},{w},{h} picture={all_w}x{all_h}"
            head = f"P5\n{comment}\n{len(part[0])} {len(part)}\n255\n"
            yield head.encode() + b"".join(part)


def main():
    job = json.loads((HERE / "job.json").read_text())
    rows = grey_png(HERE / job["input"])
    with tempfile.TemporaryDirectory() as out:
        out = pathlib.Path(out)
        whole = f"P5\n{len(rows[0])} {len(rows)}\n255\n".encode() + b"".join(rows)
        said, (head, *found) = run(whole, job["args"], out)
        merged = []
        for tile in tiles(rows, job["split"]):
            merged += run(tile, job["args"], out)[1][1:]
    merged.sort(key=lambda row: [int(field) for field in row.split(",")[:2]])
    assert merged == found, "the tiles differ from the whole picture"
    assert said == f"cells,{len(found)}\n"
    text = "".join(f"{line}\n" for line in [head, *found])
    known = HERE / "expected" / "cells.csv"
    if "--write" in sys.argv[1:]:
        known.parent.mkdir(exist_ok=True)
        known.write_text(text)
    assert known.read_text() == text, "the result differs from expected/"

    other = (HERE / "../cells/expected/cells.csv").read_text().splitlines()[1:]
    centre = lambda row: [float(field) for field in row.split(",")[4:6]]
    apart = lambda a, b: max(abs(p - q) for p, q in zip(centre(a), centre(b)))
    nearest = [min(range(len(found)), key=lambda i: apart(found[i], row)) for row in other]
    farthest = max(apart(found[i], row) for i, row in zip(nearest, other))
    assert len(set(nearest)) == len(other) == len(found) and farthest <= 2
    print(f"{len(found)} cells in tiles and whole, those of the C example ({farthest:.2f} pixels)")


if __name__ == "__main__":
    main()
