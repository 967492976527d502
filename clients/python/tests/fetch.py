#!/usr/bin/env python3
"""Prints a folder that has numpy for this Python: nothing where it is installed, else one that pip
fills outside the source tree, so that the next run finds it. Ends with 1 where that cannot be done.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

# numpy 2.0 is the last for Python 3.9, and 2.1 the first for 3.13.
VERSION = "2.0.2" if sys.version_info < (3, 13) else "2.3.5"
SECONDS_MAX = 300


def main():
    if importlib.util.find_spec("numpy"):
        return print()
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = base / f"medusa-python/{sys.implementation.cache_tag}-numpy-{VERSION}"
    if not folder.is_dir():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                   "--root-user-action=ignore", "--no-deps", "--only-binary=:all:",
                   "--target", str(fresh), f"numpy=={VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.exit(f"numpy could not be fetched: {error}")
        if done.returncode:
            sys.exit(f"numpy could not be fetched: {done.stderr.strip()}")
        try:
            fresh.rename(folder)
        except OSError:
            # Another run was first.
            if not folder.is_dir():
                raise
    print(folder)


if __name__ == "__main__":
    main()
