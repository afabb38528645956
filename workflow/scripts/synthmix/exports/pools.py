"""A pool in the layout of the Hugging Face hub: Parquet files with images, and a card."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from synthmix import layout
from synthmix.exports import cards, licences
from synthmix.exports.exporting import ExportError, made_as_planned, public, require_files
from synthmix.files import read_json
from synthmix.images import pools
from synthmix.images.prompts import COLUMNS
from synthmix.planning import kinds
from synthmix.planning.plan import Plan
from synthmix.planning.specs import Specs
from synthmix.spec import digest

FILE_BYTES = 256 * 2**20  # of images in one Parquet file, about; files of some hundred MB suit the hub's viewer
# Section of a study, stage and file of what is measured of pools.
MEASURES = (
    ("scores", "score", layout.SCORE),
    ("audits", "audit", f"{layout.AUDIT}.json"),
    ("detections", "detect", layout.DETECTION),
)


class ExportedPool:
    """One pool of one data set, as a study describes it."""

    kind = "dataset"  # of repository on the hub

    def __init__(self, plan: Plan, study: str, dataset: str, pool: str) -> None:
        self.plan, self.study, self.dataset, self.pool = plan, study, dataset, pool
        self.specs = Specs(plan)
        self.paths = plan.pool_shards(dataset, pool)
        self.planned = [self.specs.shard(dataset, pool, *layout.shard_name(path)) for path in self.paths]

    def require(self) -> None:
        """Raise ExportError where it is not there, or was made from another configuration or code."""
        require_files([*self.paths, self._meta], self.study)
        for path, planned in zip(self.paths, self.planned, strict=True):
            log = layout.log("generate", path.replace("shard-", "").removesuffix(".parquet"))
            if not made_as_planned(log, json.loads(planned)):
                problem = f"studies/{self.study}.yaml: {path} was not made by this study and code as they are now"
                raise ExportError(f"{problem}; run: snakemake --cores all {path}")

    @property
    def _meta(self) -> str:
        return f"{layout.DATA.format(dataset=self.dataset)}/meta.json"

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The meta.json of the data set."""
        found: dict[str, Any] = read_json(self._meta)
        return found

    @property
    def name(self) -> str:
        """The pool in words."""
        return f"pool {self.pool} of data set {self.dataset}"

    def sources(self) -> list[licences.Source]:
        """What the images are made of, and the terms of each."""
        return [*licences.of_pool(self.plan, self.dataset, self.pool), *licences.own(self.plan, self.pool)]

    def terms(self) -> licences.Licence:
        """The terms of the images: the pool's own, else those of what they are made of."""
        return licences.combined(self.sources(), self.plan.licences["pools"].get(self.pool))

    def write(self, folder: Path) -> None:
        """Write data/train-*.parquet, README.md, and prompts.csv where there was a file of prompts.

        Images that the generator leaves out (flagged, under `safety: drop` or `replace`) are not written.

        Raises ExportError where no image is left; files.DamagedFileError.
        """
        parts = list(_parts(self.paths))
        (folder / "data").mkdir()
        counts, flagged, left_out, prompts = Counter[int](), Counter[int](), 0, Counter[str]()
        for number, paths in enumerate(parts):
            path = folder / f"data/train-{number:05d}-of-{len(parts):05d}.parquet"
            with pq.ParquetWriter(path, _read(paths[0])[1].schema, compression="zstd") as writer:
                for shard in paths:
                    found, table = _read(shard)
                    kept = found.select(~found.left_out)
                    writer.write_table(table)
                    counts.update(kept.labels.tolist())
                    flagged.update(kept.labels[kept.flagged].tolist())
                    left_out += int(found.left_out.sum())
                    prompts.update(text for text in table["prompt"].to_pylist() if text)
        if not counts:
            raise ExportError(f"studies/{self.study}.yaml: all images of {self.name} are flagged: export another pool")
        self._write_prompts(folder / "prompts.csv")
        labels = range(len(self.meta["classes"]))
        frame = pd.DataFrame(
            {
                "label": labels,
                "class": self.meta["classes"],
                "images": [counts[label] for label in labels],
                "flagged": [flagged[label] for label in labels],
            }
        )
        counted = {"images": frame, "left_out": left_out, "prompts": prompts.most_common()}
        facts = {**self._described(), **counted, "measures": self._measures()}
        cards.write_dataset_card(folder, facts, self.sources(), self.terms())

    def _described(self) -> dict[str, Any]:
        of, generator = self.plan.definitions, dict(self.plan.generator_of(self.pool))
        definition = of["pools"][self.pool]
        if generator.get("prompts"):
            generator["prompts"] = "prompts.csv"
        definitions = {
            "datasets": {self.dataset: public(of["datasets"][self.dataset])},
            "generators": {definition["generator"]: public(generator)},
            "pools": {self.pool: public(definition)},
        }
        shown = ("kind", "train_on", "img2img", "safety", "negative_prompt")
        return {
            "name": self.name,
            "study": self.study,
            "title": self.plan.studies[self.study]["title"],
            "dataset": self.dataset,
            "pool": self.pool,
            "meta": self.meta,
            "generator": {key: generator.get(key) for key in shown} | {"pipeline": public(generator).get("pipeline")},
            "trainer": kinds.trainer(generator),
            "scope": kinds.scope(generator),
            "sampling": {key: definition.get(key) for key in ("sampler", "steps", "guidance", "seed")},
            "definitions": definitions,
            "digest": digest(self.planned),
            "code": json.loads(self.planned[0])["code"],
        }

    def _write_prompts(self, path: Path) -> None:
        rows = self.plan.generator_of(self.pool).get("prompts")
        if rows:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows({"class": name, **row} for name, each in rows.items() for row in each)

    def _measures(self) -> dict[str, list[str]]:
        """The files of the scores, audits and detections of the pool that are there and made from it as it is."""
        found: dict[str, list[str]] = {section: [] for section, _, _ in MEASURES}
        for section, stage, form in MEASURES:
            for entry in self.plan.studies[self.study].get(section) or []:
                if self.dataset not in entry["dataset"] or self.pool not in entry["pool"]:
                    continue
                for extractor in entry.get("extractor") or [None]:
                    names = {"dataset": self.dataset, "pool": self.pool, "extractor": extractor, "n": entry["n"]}
                    path = form.format(**names)
                    planned = getattr(self.specs, stage)(*(each for each in names.values() if each is not None))
                    log = layout.log(stage, path.removesuffix(".json"))
                    if Path(path).exists() and made_as_planned(log, json.loads(planned)):
                        found[section].append(path)
        return found


def _read(path: str) -> tuple[pools.Pool, pa.Table]:
    """A shard as it is, and as a table of the images that are not left out; only what `datasets` reads stays beside."""
    found, table = pools.read([path]), pq.read_table(path)
    known = {b"huggingface": table.schema.metadata[b"huggingface"]}
    return found, table.filter(pa.array(~found.left_out)).replace_schema_metadata(known)


def _parts(paths: Sequence[str]) -> Iterator[list[str]]:
    """Shards in their order, together about as large as one file shall be; each part holds at least one."""
    part, size = list[str](), 0
    for path in paths:
        own = Path(path).stat().st_size
        if part and size + own > FILE_BYTES:
            yield part
            part, size = [], 0
        part.append(path)
        size += own
    if part:
        yield part
