"""What ten rounds of kmeans answer, computed in plain Python (some seconds).

Writes start.f64 and expected/answer.txt, or with --check compares with them. It is what

    medusa session run kmeans.wasm --input photo.rgb --split by=bytes,bytes=102720 \\
        --rounds 10 --in start.f64 --reduce sum --carry --out answer.f64

writes, to the last bit. With --show it says the colours.
"""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from kept import keep, lines, numbers

CENTRES, ROUNDS = 6, 10


def answer(pixels, flat):
    centres = [flat[at : at + 4] for at in range(0, len(flat), 4)]
    colours = [[x / c[3] for x in c[:3]] if c[3] > 0 else [0, 0, 0] for c in centres]
    sums = [[0.0] * 4 for _ in colours]
    for pixel in pixels:
        far = [sum((x - y) * (x - y) for x, y in zip(pixel, colour)) for colour in colours]
        to = sums[far.index(min(far))]
        for c in range(3):
            to[c] += pixel[c]
        to[3] += 1
    return [x for centre in sums for x in centre]


def main():
    photo = (HERE / "photo.rgb").read_bytes()
    pixels = list(struct.iter_unpack("3B", photo))
    step = len(pixels) // CENTRES
    start = [x for k in range(CENTRES) for x in (*map(float, pixels[k * step + step // 2]), 1.0)]
    last = start
    for _ in range(ROUNDS):
        last = answer(pixels, last)
    files = {
        "start.f64": numbers(start),
        "expected/answer.txt": lines(last),
    }
    keep(HERE, files)
    if "--show" in sys.argv[1:]:
        for at in range(0, len(last), 4):
            r, g, b, count = last[at : at + 4]
            colour = [round(x / count) for x in (r, g, b)] if count else [0, 0, 0]
            print("#{:02x}{:02x}{:02x}".format(*colour), int(count), "pixels")


if __name__ == "__main__":
    main()
