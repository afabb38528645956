"""Checksums of files and folders, each file read once for as long as its size and time of modification stay."""

import hashlib
import json
from pathlib import Path

from synthmix.planning import listings

KNOWN = Path(".snakemake/synthmix/checksums.json")


def of(path: Path) -> str:
    """SHA-256 of a file, or over names and contents of the files below a folder (`listings.files`); 64 hex digits."""
    from synthmix import files  # it imports numpy, which other studies are read without

    try:
        known = dict(files.read_json(KNOWN))
    except (FileNotFoundError, ValueError):
        known = {}
    before = len(known)

    def one(file: Path) -> str:
        status = file.stat()
        key = f"{file.resolve()} {status.st_size} {status.st_mtime_ns}"
        if key not in known:
            known[key] = files.sha256(file)
        return str(known[key])

    if path.is_dir():
        below = sorted(file for file in map(Path, listings.files(str(path))) if file.is_file())
        listing = "".join(f"{file.relative_to(path).as_posix()} {one(file)}\n" for file in below)
        found = hashlib.sha256(listing.encode()).hexdigest()
    else:
        found = one(path)
    if len(known) > before:
        files.write_text(KNOWN, json.dumps(known))
    return found
