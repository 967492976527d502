"""Proves that cutting the picture into tiles does not change the result.

Cuts cells.png as Medusa's tile splitter does, runs cells.wasm over each tile, puts the results
together, and compares them with the run over the whole picture and with expected/. A model to copy
for a tile program of your own: run it before you submit.

    python -m venv venv && venv/bin/pip install wasmtime numpy pillow
    venv/bin/python check_tiles.py                # the tiles of job.json
    venv/bin/python check_tiles.py 200 128 80     # width, height, overlap
"""

import hashlib
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import wasmtime
from PIL import Image

HERE = pathlib.Path(__file__).parent


class Program:
    def __init__(self, path, args):
        config = wasmtime.Config()
        config.consume_fuel = True
        self.engine = wasmtime.Engine(config)
        self.module = wasmtime.Module.from_file(self.engine, str(path))
        self.args = ["guest", *args]

    def run(self, stdin):
        """Returns standard output, the files of /out, and the seconds it took."""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "out").mkdir()
            (folder / "stdin").write_bytes(stdin)
            store = wasmtime.Store(self.engine)
            store.set_fuel(10**15)
            wasi = wasmtime.WasiConfig()
            wasi.argv = self.args
            wasi.stdin_file = folder / "stdin"
            wasi.stdout_file = folder / "stdout"
            wasi.stderr_file = folder / "stderr"
            wasi.preopen_dir(str(folder / "out"), "/out")
            store.set_wasi(wasi)
            linker = wasmtime.Linker(self.engine)
            linker.define_wasi()
            start = linker.instantiate(store, self.module).exports(store)["_start"]
            began = time.process_time()
            try:
                start(store)
            except wasmtime.ExitTrap as ended:
                if ended.code:
                    sys.exit(f"exit {ended.code}: " + (folder / "stderr").read_text().strip())
            files = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
            return (folder / "stdout").read_text(), files, time.process_time() - began


def tiles(grey, width, height, overlap):
    """Yields the core and the PGM of each tile."""
    all_h, all_w = grey.shape
    for y in range(0, all_h, height):
        for x in range(0, all_w, width):
            w, h = min(width, all_w - x), min(height, all_h - y)
            left, top = max(0, x - overlap), max(0, y - overlap)
            tile = grey[top : y + h + overlap, left : x + w + overlap]
            header = (
                f"P5\n# medusa tile x={left} y={top} core={x},{y},{w},{h} "
                f"picture={all_w}x{all_h}\n{tile.shape[1]} {tile.shape[0]}\n255\n"
            )
            yield (x, y, w, h), header.encode() + tile.tobytes()


def ppm_header(width, height):
    return f"P6\n{width} {height}\n255\n".encode()


def merged(program, grey, width, height, overlap):
    picture = np.zeros((*grey.shape, 3), np.uint8)
    rows, count, seconds, chunks = [], 0, 0.0, 0
    for (x, y, w, h), pgm in tiles(grey, width, height, overlap):
        stdout, files, took = program.run(pgm)
        header, *own = files["cells.csv"].decode().splitlines()
        rows += own
        count += int(stdout.removeprefix("cells,"))
        pixels = files["outlined.ppm"].removeprefix(ppm_header(w, h))
        picture[y : y + h, x : x + w] = np.frombuffer(pixels, np.uint8).reshape(h, w, 3)
        seconds, chunks = seconds + took, chunks + 1
    rows.sort(key=lambda row: [int(field) for field in row.split(",")[:2]])
    print(f"{chunks} tiles of {width}x{height}+{overlap}: {count} cells, {seconds:.2f} s in all")
    csv = "".join(f"{line}\n" for line in [header, *rows])
    ppm = ppm_header(*grey.shape[::-1]) + picture.tobytes()
    return {"cells.csv": csv.encode(), "outlined.ppm": ppm}


def main():
    job = json.loads((HERE / "job.json").read_text())
    split = [job["split"][key] for key in ("width", "height", "overlap")]
    if len(sys.argv) == 4:
        split = [int(arg) for arg in sys.argv[1:]]
    program = Program(HERE / job["program"], job["args"])
    grey = np.asarray(Image.open(HERE / job["input"]).convert("L"))

    plain = f"P5\n{grey.shape[1]} {grey.shape[0]}\n255\n".encode() + grey.tobytes()
    _, whole, took = program.run(plain)
    print(f"the whole picture: {took:.2f} s")
    if merged(program, grey, *split) != whole:
        sys.exit("the tiles differ from the whole picture")
    digest = (HERE / "expected" / "outlined.ppm.sha256").read_text().split()[0]
    known = (HERE / "expected" / "cells.csv").read_bytes()
    if whole["cells.csv"] != known or hashlib.sha256(whole["outlined.ppm"]).hexdigest() != digest:
        sys.exit("the result differs from expected/")
    print("tiles, whole picture and known result are the same")


if __name__ == "__main__":
    main()
