"""The known result of the words example, counted with Python alone.

Writes expected/words.csv.sha256, or with --check compares with it. `--print` prints the table.
"""

import collections
import hashlib
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
N = 2


def table():
    counts = collections.Counter()
    with zipfile.ZipFile(HERE / "books.zip") as books:
        for name in books.namelist():
            words = re.findall(rb"[a-z]+(?:'[a-z]+)*", books.read(name).lower())
            counts.update(b" ".join(run) for run in zip(*(words[i:] for i in range(N))))
    rows = b"".join(b"%s,%d\n" % (ngram, counts[ngram]) for ngram in sorted(counts))
    return b"ngram,count\n" + rows


def main():
    csv = table()
    if "--print" in sys.argv[1:]:
        sys.stdout.buffer.write(csv)
        return
    known = HERE / "expected" / "words.csv.sha256"
    line = f"{hashlib.sha256(csv).hexdigest()}  words.csv\n"
    if "--check" not in sys.argv[1:]:
        known.parent.mkdir(exist_ok=True)
        known.write_text(line)
    elif known.read_text() != line:
        sys.exit("words.csv.sha256 differs from the reference")
    print("expected/ holds the reference result")


if __name__ == "__main__":
    main()
