"""The known result of the cells example, computed in another way and in another language.

Looks at the whole picture at once with numpy and scipy (no tiles, no code shared with cells.c) and
writes expected/cells.csv and expected/outlined.ppm.sha256, or with --check compares with them.

    python -m venv venv && venv/bin/pip install numpy scipy pillow
    venv/bin/python reference.py --check
"""

import hashlib
import pathlib
import sys
from fractions import Fraction

import numpy as np
from PIL import Image
from scipy import ndimage

HERE = pathlib.Path(__file__).parent
SEARCH, PATCH, LOCAL, LIKENESS, GREYS = 5, 1, 12, 9216, 16
THRESHOLD, MIN_AREA = 6, 40
OUTLINE = (255, 176, 64)


def box(values, radius):
    """Sums over squares, from differences of running sums."""
    side = 2 * radius + 1
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]


def denoised(grey):
    h, w = grey.shape
    padded = np.pad(grey, SEARCH + PATCH, mode="edge")
    total, weights = np.zeros((h, w), np.int64), np.zeros((h, w), np.int64)
    here = padded[SEARCH : SEARCH + h + 2 * PATCH, SEARCH : SEARCH + w + 2 * PATCH]
    for top in range(2 * SEARCH + 1):
        for left in range(2 * SEARCH + 1):
            there = padded[top : top + h + 2 * PATCH, left : left + w + 2 * PATCH]
            like = np.maximum(0, LIKENESS - box((here - there) ** 2, PATCH))
            weight = like**2 // 1024
            total += weight * there[PATCH : PATCH + h, PATCH : PATCH + w]
            weights += weight
    return total * GREYS // weights


def two_decimals(ratio):
    hundredths = (ratio * 100 + Fraction(1, 2)).__floor__()
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def compute():
    grey = np.asarray(Image.open(HERE / "cells.png").convert("L")).astype(np.int64)
    smooth = denoised(grey)
    area = (2 * LOCAL + 1) ** 2
    around = box(np.pad(smooth, LOCAL, mode="edge"), LOCAL)
    marks = smooth * area - around > THRESHOLD * GREYS * area
    labels, count = ndimage.label(marks, np.ones((3, 3)))

    rows = []
    for label in range(1, count + 1):
        ys, xs = np.nonzero(labels == label)
        n = len(ys)
        if n < MIN_AREA:
            labels[ys, xs] = 0
            continue
        means = [Fraction(int(v.sum()), n) for v in (grey[ys, xs], ys, xs)]
        rows.append((int(ys[0]), int(xs[0]), n, *map(two_decimals, means)))
    rows.sort()
    csv = "y,x,area,mean,cy,cx\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)

    ring = np.pad(labels, 1)
    same = [ring[:-2, 1:-1], ring[2:, 1:-1], ring[1:-1, :-2], ring[1:-1, 2:]]
    outline = (labels > 0) & ~np.logical_and.reduce([side == labels for side in same])
    shown = np.sqrt(grey * 255).astype(np.uint8)    # exact: all values are below 2**16
    picture = np.where(outline[..., None], OUTLINE, shown[..., None]).astype(np.uint8)
    header = f"P6\n{grey.shape[1]} {grey.shape[0]}\n255\n".encode()
    digest = hashlib.sha256(header + picture.tobytes()).hexdigest()
    return {"cells.csv": csv, "outlined.ppm.sha256": f"{digest}  outlined.ppm\n"}


def main():
    check = "--check" in sys.argv[1:]
    for name, text in compute().items():
        path = HERE / "expected" / name
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"{path.name} differs from the reference")
    print("expected/ is right" if check else "expected/ is written")


if __name__ == "__main__":
    main()
