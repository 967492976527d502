"""What the references of all guests here keep, or compare with what is kept."""

import struct
import sys


def numbers(values):
    """A file of 64-bit numbers, little endian."""
    return struct.pack(f"<{len(values)}d", *values)


def lines(values):
    """The same as text, one to a line, to the last bit."""
    return "".join(f"{x!r}\n" for x in values).encode()


def keep(folder, files):
    """Writes these files; with --check ends with an error where one differs."""
    for name, content in files.items():
        if "--check" not in sys.argv[1:]:
            (folder / name).write_bytes(content)
        elif (folder / name).read_bytes() != content:
            sys.exit(f"{name} differs from the reference")
