"""Makes digits.f32 of the digits that come with scikit-learn: rows of 64 pixels and the digit.

The rows stay in their order. Pixels are sixteenths there, and are from 0 to 1 here, without loss.

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1
    venv/bin/python convert.py
"""

import pathlib
import struct

from sklearn.datasets import load_digits

data = load_digits()
rows = [
    struct.pack("<65f", *(pixel / 16 for pixel in pixels), digit)
    for pixels, digit in zip(data.data, data.target)
]
pathlib.Path(__file__).with_name("digits.f32").write_bytes(b"".join(rows))
