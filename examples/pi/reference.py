"""The known result of the pi example, computed with numpy (a few minutes on one core).

Writes expected/pi.csv, or with --check compares with it.

    python -m venv venv && venv/bin/pip install numpy
    venv/bin/python reference.py --check
"""

import pathlib
import sys

import numpy as np

KNOWN = pathlib.Path(__file__).parent / "expected" / "pi.csv"
SEEDS, POINTS = 64_000, 100_000
MASK = 2**64 - 1
STEP, MIX = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def mix(z):
    z = (z ^ (z >> 30)) * MIX[0] & MASK
    z = (z ^ (z >> 27)) * MIX[1] & MASK
    return z ^ (z >> 31)


def mix_all(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX[0])
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX[1])
    return z ^ (z >> np.uint64(31))


def inside(seed, steps):
    random = mix_all(steps + np.uint64(mix(seed + STEP & MASK)))
    x = random >> np.uint64(33)
    y = (random & np.uint64(2**32 - 1)) >> np.uint64(1)
    return int(np.count_nonzero(x * x + y * y < np.uint64(2**62)))


def main():
    steps = np.arange(1, POINTS + 1, dtype=np.uint64) * np.uint64(STEP)
    total = sum(inside(seed, steps) for seed in range(SEEDS))
    csv = f"inside,{total}\ntotal,{SEEDS * POINTS}\n"
    if "--check" not in sys.argv[1:]:
        KNOWN.parent.mkdir(exist_ok=True)
        KNOWN.write_text(csv)
    elif KNOWN.read_text() != csv:
        sys.exit("pi.csv differs from the reference")
    print(f"expected/ holds the reference result: pi is about {4 * total / (SEEDS * POINTS):.7f}")


if __name__ == "__main__":
    main()
