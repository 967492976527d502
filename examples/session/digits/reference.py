"""What three rounds of digits answer, computed in plain Python (about a second).

Writes start.f64 and expected/answer.txt, or with --check compares with them. It is what

    medusa session run digits.wasm --input digits.f32 --split by=bytes,bytes=233740 \\
        --rounds 3 --in start.f64 --reduce sum --feedback -0.5 --out answer.f64

writes, but for the last digits: the exponential function is another one here.
"""

import math
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from kept import keep, lines, numbers

PIXELS, DIGITS, RATE, ROUNDS = 64, 10, -0.5, 3


def rows():
    for row in struct.iter_unpack("<65f", (HERE / "digits.f32").read_bytes()):
        yield [(i, x) for i, x in enumerate(row[:PIXELS]) if x] + [(PIXELS, 1.0)], int(row[PIXELS])


def softmax(scores):
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    return [power / sum(powers) for power in powers]


def answer(data, weights):
    gradient = [0.0] * len(weights)
    for inputs, digit in data:
        scores = [sum(x * weights[i * DIGITS + d] for i, x in inputs) for d in range(DIGITS)]
        for d, p in enumerate(softmax(scores)):
            for i, x in inputs:
                gradient[i * DIGITS + d] += x * (p - (d == digit))
    return gradient + [float(len(data))]


def main():
    data = list(rows())
    start = [0.0] * ((PIXELS + 1) * DIGITS)
    weights = start
    for _ in range(ROUNDS):
        last = answer(data, weights)
        weights = [w + RATE * g / last[-1] for w, g in zip(weights, last)]
    files = {
        "start.f64": numbers(start),
        "expected/answer.txt": lines(last),
    }
    keep(HERE, files)


if __name__ == "__main__":
    main()
