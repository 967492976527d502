"""What two rounds of digits-net answer, computed in plain Python (about a second).

Writes start.f64 and expected/answer.txt, or with --check compares with them. It is what

    medusa session run digits-net.wasm --input ../digits/digits.f32 \\
        --split by=bytes,bytes=233740 --rounds 2 --in start.f64 --reduce sum --feedback -0.5 \\
        --out answer.f64

writes, but for the last digits: exponential function and hyperbolic tangent are others here.
"""

import math
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from kept import keep, lines, numbers

PIXELS, HIDDEN, DIGITS, RATE, ROUNDS = 64, 16, 10, -0.5, 2
OUT = (PIXELS + 1) * HIDDEN
WEIGHTS = OUT + (HIDDEN + 1) * DIGITS


def rows():
    for row in struct.iter_unpack("<65f", (HERE / "../digits/digits.f32").read_bytes()):
        yield [(i, x) for i, x in enumerate(row[:PIXELS]) if x] + [(PIXELS, 1.0)], int(row[PIXELS])


def softmax(scores):
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    return [power / sum(powers) for power in powers]


def answer(data, w):
    gradient = [0.0] * WEIGHTS
    for inputs, digit in data:
        hidden = [math.tanh(sum(x * w[i * HIDDEN + h] for i, x in inputs)) for h in range(HIDDEN)]
        scores = [
            sum(x * w[OUT + h * DIGITS + d] for h, x in enumerate(hidden + [1.0]))
            for d in range(DIGITS)
        ]
        wrong = [p - (d == digit) for d, p in enumerate(softmax(scores))]
        for h, x in enumerate(hidden + [1.0]):
            for d in range(DIGITS):
                gradient[OUT + h * DIGITS + d] += x * wrong[d]
        for h, x in enumerate(hidden):
            back = sum(w[OUT + h * DIGITS + d] * wrong[d] for d in range(DIGITS)) * (1 - x * x)
            for i, pixel in inputs:
                gradient[i * HIDDEN + h] += pixel * back
    return gradient + [float(len(data))]


def first_weights():
    """Small numbers of both signs, the same for ever."""
    state = 1
    for _ in range(WEIGHTS):
        state = (state * 1103515245 + 12345) % 2**31
        yield (state / 2**31 - 0.5) * 0.5


def main():
    data = list(rows())
    start = list(first_weights())
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
