"""Writes a pool, or a trained classifier, to a folder in the layout of the Hugging Face hub, with its card.

    python workflow/commands/export.py digits --pool ddpm --to exports/digits-ddpm [--push user/name]
    python workflow/commands/export.py digits --run shot3-syn20/cnn/cnn-steps/0 --to exports/cnn [--push user/name]

(make export STUDY=digits POOL=ddpm TO=exports/digits-ddpm; make export STUDY=digits RUN=... TO=... PUSH=user/name.)
Nothing is overwritten, neither a folder nor a repository, and nothing is exported whose sources do not allow it.
"""

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from huggingface_hub import HfApi  # noqa: E402 (the library is not installed)

from synthmix import exporting, licences, pushing  # noqa: E402
from synthmix.configuration import ConfigurationError  # noqa: E402
from synthmix.exported_models import ExportedModel  # noqa: E402
from synthmix.exported_pools import ExportedPool  # noqa: E402
from synthmix.exporting import ExportError  # noqa: E402
from synthmix.files import DamagedFileError  # noqa: E402
from synthmix.plan import Plan  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="the study that has it")
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
    if not arguments.to:
        raise ExportError("say where to: a folder (TO=, --to)")
    plan = Plan.read(yaml.safe_load((ROOT / "config.yaml").read_text()) or {}, ROOT, [study])
    if study not in plan.studies:
        raise ExportError(f"studies/{study}.yaml: no such file")
    exported: ExportedPool | ExportedModel
    if arguments.pool:
        exported = ExportedPool(plan, study, *exporting.find_pool(plan, study, arguments.pool))
    else:
        exported = ExportedModel(plan, study, exporting.find_run(plan, study, arguments.run))
    licences.require(exported.sources(), exported.name, ROOT / "studies", study)
    exporting.require_free(folder)
    exported.require()
    if arguments.push:
        pushing.require(arguments.push, exported.kind, HfApi())
    with exporting.whole_folder(folder) as temporary:
        exported.write(temporary)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{exported.name}: {size / 1e6:.1f} MB in {folder}; its card is {folder / 'README.md'}", flush=True)
    if arguments.push:
        url = pushing.push(folder, arguments.push, exported.kind, HfApi())
        print(f"uploaded to {url}, which is private until you open it")


if __name__ == "__main__":
    sys.exit(main())
