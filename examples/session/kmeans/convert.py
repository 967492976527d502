"""Makes photo.rgb of a photograph that comes with scikit-learn: every second pixel of every second
row, 320 x 214, three bytes each.

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 pillow==13.0.0
    venv/bin/python convert.py
"""

import pathlib

from sklearn.datasets import load_sample_image

photo = load_sample_image("china.jpg")[::2, ::2]
assert photo.shape == (214, 320, 3), photo.shape
pathlib.Path(__file__).with_name("photo.rgb").write_bytes(photo.tobytes())
