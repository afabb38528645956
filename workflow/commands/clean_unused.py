"""Results that no study of config.yaml asks for: lists them, and with --remove deletes them.

    python workflow/commands/clean_unused.py [--remove]     (make clean-unused [CONFIRM=yes])

Downloads, pretrained weights, the ledger of tests and what trackers show are never touched.
"""

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synthmix import energy, layout, records  # noqa: E402 (the library is not installed)
from synthmix.planning import graph  # noqa: E402 (the library is not installed)
from synthmix.planning.graph import Planned  # noqa: E402
from synthmix.store import Entry  # noqa: E402
from synthmix.units import entry, units  # noqa: E402

KEPT = ("README.md", "test_ledger.csv", "trackers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remove", action="store_true", help="delete what is listed")
    arguments = parser.parse_args()
    if any(Path(".snakemake/locks").glob("*")):
        print("Snakemake is at work in this folder, or was killed (then: snakemake --unlock). Nothing was removed.")
        return 1
    if graph.dry_run([]) is None:
        return 1
    config = graph.plan().config
    asked = set(_asked(graph.planned()))
    spared = [Path(config[key]).absolute() for key in ("data", "weights")]
    unused = [path for path in _files(Path(layout.RESULTS)) if path not in asked and not _is_spared(path, spared)]
    sizes, counts = Counter[str](), Counter[str]()
    for path in unused:
        folder = "/".join(path.parts[: 2 if path.parts[1].startswith(".") else 4])
        sizes[folder] += path.stat().st_size
        counts[folder] += 1
    print(f"Studies of config.yaml: {', '.join(config['studies'])}. No study among them asks for:")
    for folder, size in sizes.most_common():
        print(f"{size / 1e6:12.1f} MB {counts[folder]:7d} files  {folder}")
    print(f"{sum(sizes.values()) / 1e6:12.1f} MB {len(unused):7d} files in all")
    if not arguments.remove:
        print("Nothing was removed. To remove them: make clean-unused CONFIRM=yes")
        return 0
    for path in unused:
        path.unlink()
    folders = sorted((path for path in Path(layout.RESULTS).rglob("*") if path.is_dir()), reverse=True)
    for folder in folders:
        with contextlib.suppress(OSError):  # not empty
            if not _is_spared(folder, spared):
                folder.rmdir()
    print("They were removed.")
    return 0


def _asked(jobs: Iterable[Planned]) -> Iterator[Path]:
    """The files of all jobs of the active studies, whether they run or are done."""
    for job in jobs:
        yield from map(Path, job.outputs)
        if job.benchmark:
            yield Path(job.benchmark)
        yield records.path_of(job.log)
        yield energy.path_of(job.log)
        if job.spec:
            yield records.CODE / f"{job.spec['code']}.json"
            for unit in units(job.spec) or ():
                # as long as it is not known what its data will hold, all that was made under its spec stays
                folder = Entry.folder_of(entry(unit, job.data or "*"))
                for found in folder.parent.glob(folder.name):
                    yield from _files(found)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_spared(path: Path, folders: Iterable[Path]) -> bool:
    if path.parts[1] in KEPT or "so-far" in path.parts:
        return True
    return any(path.absolute().is_relative_to(folder) for folder in folders)


if __name__ == "__main__":
    sys.exit(main())
