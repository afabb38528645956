"""Writes a pool, or a trained classifier, to a folder in the layout of the Hugging Face hub, with its card.

    python workflow/commands/export.py digits --pool ddpm --to exports/digits-ddpm [--push user/name]
    python workflow/commands/export.py digits --run shot3-syn20/cnn/cnn-steps/0 --to exports/cnn [--push user/name]

(make export STUDY=digits POOL=ddpm TO=exports/digits-ddpm; make export STUDY=digits RUN=... TO=... PUSH=user/name.)
Nothing is overwritten, neither a folder nor a repository, and nothing is exported whose sources do not allow it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix.exports import exporting, licences  # noqa: E402 (the library is not installed)
from synthmix.exports.exporting import ExportError  # noqa: E402
from synthmix.files import DamagedFileError  # noqa: E402
from synthmix.planning.configuration import ConfigurationError  # noqa: E402
from synthmix.planning.plan import Plan  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="the study that it belongs to")
    parser.add_argument("--pool", default="", help="a pool of the study, or dataset/pool")
    parser.add_argument("--run", default="", help="a run: training_set/model/recipe/seed, or dataset/ before that")
    parser.add_argument("--to", default="", help="the folder, new or empty")
    parser.add_argument("--push", default="", help="owner/name on the hub, to upload the folder to; new or empty")
    arguments = parser.parse_args()
    try:
        _export(arguments)
    except (ConfigurationError, ExportError, DamagedFileError) as error:
        print(error)
        return 1
    return 0


def _export(arguments: argparse.Namespace) -> None:
    study, folder = arguments.study, Path(arguments.to)
    if bool(arguments.pool) == bool(arguments.run):
        raise ExportError("say what to export: a pool (POOL=, --pool) or a run (RUN=, --run), one of them")
    if not study:
        raise ExportError("say of which study (STUDY=)")
    if not arguments.to:
        raise ExportError("say where to: a folder (TO=, --to)")
    exporting.require_free(folder)
    plan = Plan.named(ROOT, [study])
    exported = _exported(plan, study, arguments.pool, arguments.run)
    licences.require(exported.sources(), exported.name, ROOT / "studies", study)
    exported.require()
    if arguments.push:
        from huggingface_hub import HfApi

        from synthmix.exports import pushing

        pushing.require(arguments.push, exported.kind, HfApi())
    with exporting.whole_folder(folder) as temporary:
        exported.write(temporary)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{exported.name}: {size / 1e6:.1f} MB in {folder}; its card is {folder / 'README.md'}", flush=True)
    if arguments.push:
        url = pushing.push(folder, arguments.push, exported.kind, HfApi())
        print(f"uploaded to {url}, which is private until you open it")


def _exported(plan: Plan, study: str, pool: str, run: str) -> Any:
    """What is to be exported. What takes seconds to import is imported once it is known that there is such a thing."""
    if pool:
        found = exporting.find_pool(plan, study, pool)
        from synthmix.exports.pools import ExportedPool

        return ExportedPool(plan, study, *found)
    chosen = exporting.find_run(plan, study, run)
    from synthmix.exports.models import ExportedModel

    return ExportedModel(plan, study, chosen)


if __name__ == "__main__":
    sys.exit(main())
