"""Counts bright cells in one tile of a grey picture, in plain Python.

In:  standard input   a binary PGM (P5), 8 bits, with the comment that the tile splitter writes:
                      # medusa tile x=96 y=0 core=96,0,96,96 picture=512x512
Out: /out/cells.csv   one row for each cell whose first pixel lies in the core
     standard output  cells,<number of rows>

A pixel is smoothed with its neighbours, and is bright where it is above the mean of its wider
surroundings. Cells are the connected regions of bright pixels. All numbers are whole, a pixel
depends only on pixels at most REACH away, and a cell that may go on beyond what this tile knows for
certain ends the run: so the result never depends on how the picture was cut.
"""

import argparse
import re
import sys
from itertools import accumulate

LOCAL = 14           # the background is the mean over a square of this radius
REACH = 1 + LOCAL
GREYS = 16           # smoothed values are in sixteenths of a grey level
TILE = re.compile(rb"# medusa tile x=(\d+) y=(\d+) core=(\d+),(\d+),(\d+),(\d+) picture=(\d+)x(\d+)")


def read_tile(data):
    """Rows of grey values; the tile and its core as (x, y, width, height); the picture's size."""
    head = re.match(rb"P5\s((?:#[^\n]*\n)*)\s*(\d+)\s+(\d+)\s+255\s", data)
    if not head:
        sys.exit("the input is not a binary PGM picture (P5) of 8 bits")
    w, h = int(head[2]), int(head[3])
    pixels = data[head.end() : head.end() + w * h]
    if len(pixels) != w * h:
        sys.exit("the picture ends too early")
    rows = [pixels[at : at + w] for at in range(0, w * h, w)]
    comment = TILE.search(head[1])
    if not comment:    # the whole picture
        return rows, (0, 0, w, h), (0, 0, w, h), (w, h)
    x, y, *core, picture_w, picture_h = map(int, comment.groups())
    return rows, (x, y, w, h), tuple(core), (picture_w, picture_h)


def smoothed(rows):
    """Means of nine pixels, the nearer the heavier, in sixteenths."""

    def weighted(before, here, after):
        return [low + 2 * middle + high for low, middle, high in zip(before, here, after)]

    across = [weighted([row[0], *row], row, [*row[1:], row[-1]]) for row in rows]
    return [
        weighted(*three) for three in zip([across[0], *across], across, [*across[1:], across[-1]])
    ]


def box(rows, radius):
    """Sums over squares; beyond the border the nearest pixel is repeated."""
    side = 2 * radius + 1

    def along(row):
        padded = [row[0]] * (radius + 1) + list(row) + [row[-1]] * radius
        sums = list(accumulate(padded))
        return [high - low for high, low in zip(sums[side:], sums)]

    wide = [along(row) for row in rows]
    padded = [wide[0]] * radius + wide + [wide[-1]] * radius
    column = [sum(values) for values in zip(*padded[:side])]
    result = [column]
    for gone, new in zip(padded, padded[side:]):
        column = [total - low + high for total, low, high in zip(column, gone, new)]
        result.append(column)
    return result


def bright(rows, threshold):
    """Marks the pixels that are brighter than their surroundings by more than the threshold."""
    smooth = smoothed(rows)
    area = (2 * LOCAL + 1) ** 2
    least = threshold * GREYS * area
    return [
        bytearray(here * area - around > least for here, around in zip(row, wide))
        for row, wide in zip(smooth, box(smooth, LOCAL))
    ]


def certain(tile, picture):
    """The part of the tile that looks the same in the whole picture, in the tile's own pixels."""
    x, y, w, h = tile
    left, top = (REACH if x else 0), (REACH if y else 0)
    right = w - (REACH if x + w < picture[0] else 0)
    bottom = h - (REACH if y + h < picture[1] else 0)
    return left, top, right, bottom


def regions(marks, sure):
    """Lists of the pixels of each 8-connected region of marks, in raster order of their firsts."""
    left, top, right, bottom = sure
    for y in range(top, bottom):
        row = marks[y]
        x = row.find(1, left, right)
        while x >= 0:
            row[x] = 0
            found = [(y, x)]
            for at_y, at_x in found:
                for near_y in range(max(at_y - 1, top), min(at_y + 2, bottom)):
                    near = marks[near_y]
                    for near_x in range(max(at_x - 1, left), min(at_x + 2, right)):
                        if near[near_x]:
                            near[near_x] = 0
                            found.append((near_y, near_x))
            yield found
            x = row.find(1, x, right)


def is_open(region, tile, sure, picture):
    """Whether it may go on where this tile knows nothing for certain."""
    x, y, _, _ = tile
    left, top, right, bottom = sure
    return any(
        (at_x == left and x + at_x > 0)
        or (at_y == top and y + at_y > 0)
        or (at_x == right - 1 and x + at_x < picture[0] - 1)
        or (at_y == bottom - 1 and y + at_y < picture[1] - 1)
        for at_y, at_x in region
    )


def two_decimals(total, count):
    hundredths = (200 * total + count) // (2 * count)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def measure(region, rows, x, y):
    n = len(region)
    grey = sum(rows[at_y][at_x] for at_y, at_x in region)
    sum_y, sum_x = (sum(values) for values in zip(*region))
    ratios = [(grey, n), (sum_y + y * n, n), (sum_x + x * n, n)]
    return [region[0][0] + y, region[0][1] + x, n, *(two_decimals(*ratio) for ratio in ratios)]


def main():
    parser = argparse.ArgumentParser(prog="cells.py")
    parser.add_argument("--threshold", type=int, default=8, help="in grey levels")
    parser.add_argument("--min-area", type=int, default=40, help="in pixels")
    options = parser.parse_args()
    rows, tile, core, picture = read_tile(sys.stdin.buffer.read())
    x, y = tile[:2]
    sure = certain(tile, picture)
    cells = []
    for region in regions(bright(rows, options.threshold), sure):
        # The first pixel in raster order owns the cell; the search may come to another one first.
        region.sort()
        in_core = [
            core[0] <= at_x + x < core[0] + core[2] and core[1] <= at_y + y < core[1] + core[3]
            for at_y, at_x in region
        ]
        if any(in_core) and is_open(region, tile, sure, picture):
            sys.exit("a cell is larger than the overlap: use a larger overlap")
        if in_core[0] and len(region) >= options.min_area:
            cells.append(measure(region, rows, x, y))
    with open("/out/cells.csv", "w") as csv:
        csv.write("y,x,area,mean,cy,cx\n")
        csv.writelines(",".join(map(str, cell)) + "\n" for cell in cells)
    print(f"cells,{len(cells)}")


if __name__ == "__main__":
    main()
