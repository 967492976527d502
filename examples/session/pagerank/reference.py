"""What fifty rounds of pagerank answer, computed in plain Python.

Writes start.f64 and expected/answer.txt, or with --check compares with them. It is what

    medusa session run pagerank.wasm --input graph.txt --split by=lines,lines=39 \\
        --rounds 50 --in start.f64 --reduce sum --carry --out answer.f64

writes, but for the last digits: sums are made in another order. With --show it names the first ten.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from kept import keep, lines, numbers

DAMPING, ROUNDS = 0.85, 50


def answer(links, ranks):
    pages = len(ranks)
    give = [(1 - DAMPING) / pages] * pages
    for page, to in links:
        targets = to or range(pages)
        for target in targets:
            give[target] += DAMPING * ranks[page] / len(targets)
    return give


def main():
    rows = [list(map(int, line.split())) for line in (HERE / "graph.txt").open()]
    links = [(line[0], line[1:]) for line in rows]
    start = [1 / len(links)] * len(links)
    last = start
    for _ in range(ROUNDS):
        last = answer(links, last)
    files = {
        "start.f64": numbers(start),
        "expected/answer.txt": lines(last),
    }
    keep(HERE, files)
    if "--show" in sys.argv[1:]:
        names = (HERE / "names.txt").read_text().splitlines()
        for rank, name in sorted(zip(last, names), reverse=True)[:10]:
            print(f"{rank:.4f} {name}")


if __name__ == "__main__":
    main()
