"""Where everything lies under results/: one function a kind of file."""

import hashlib
import re
from pathlib import Path
from typing import Any

RESULTS = "results"
DATA = f"{RESULTS}/data/{{dataset}}"
GENERATOR = f"{RESULTS}/generators/{{dataset}}/{{generator}}"
POOL = f"{RESULTS}/pools/{{dataset}}/{{pool}}"
FILTER = f"{RESULTS}/filters/{{dataset}}/{{pool}}/{{group}}/{{filter}}.parquet"
EXTRACTOR = f"{RESULTS}/extractors/{{dataset}}/{{extractor}}"
REFERENCE = f"{RESULTS}/references/{{dataset}}/{{extractor}}.safetensors"
SCORE = f"{RESULTS}/scores/{{dataset}}/{{pool}}/{{extractor}}-n{{n}}.json"
AUDIT = f"{RESULTS}/audits/{{dataset}}/{{pool}}/{{extractor}}-n{{n}}"
DETECTION = f"{RESULTS}/detections/{{dataset}}/{{pool}}-n{{n}}.json"
JOB = f"{RESULTS}/runs/{{dataset}}/{{bundle}}/{{model}}/{{recipe}}/seeds{{seeds}}"
CROSS_TEST = JOB.replace("/runs/", "/cross_tests/") + "/{training_set}.{pool}.json"
EXPLANATION = JOB.replace("/runs/", "/explanations/") + "/{training_set}.{explainer}.csv"
CORRUPTION = JOB.replace("/runs/", "/corruptions/") + "/{training_set}.{corruption}.csv"
CORRUPTED_IMAGES = f"{RESULTS}/corruptions/{{dataset}}/{{corruption}}.safetensors"
STUDY = f"{RESULTS}/studies/{{study}}"
REPORT = ("report.html", "report.tex", "references.bib")  # of a study
BENCHMARKS = f"{RESULTS}/benchmarks"
# A text-to-image pipeline in the layout of diffusers.
PIPELINE = {
    "index": "model_index.json",
    "scheduler": "scheduler/scheduler_config.json",
    "tokenizer": "tokenizer/tokenizer.json",
    "tokenizer_config": "tokenizer/tokenizer_config.json",
    "text_encoder_config": "text_encoder/config.json",
    "text_encoder": "text_encoder/model.safetensors",
    "unet_config": "unet/config.json",
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae_config": "vae/config.json",
    "vae": "vae/diffusion_pytorch_model.safetensors",
}
# What fine-tuning adds to a published pipeline, by its way, under the names that diffusers gives it.
ADAPTERS = {"lora": "pytorch_lora_weights.safetensors", "textual_inversion": "learned_embeds.safetensors"}


def job_folder(job: Any) -> str:
    """Folder of one training job (a `plan.Job`)."""
    return JOB.format(**job._asdict())


def benchmark(stage: str, path: str) -> str:
    """Benchmark file of the job of a stage that writes results/{kind}/{rest of path}: benchmarks/{stage}/{rest}.tsv."""
    return f"{BENCHMARKS}/{stage}/{path.split('/', 2)[2]}.tsv"


def log(stage: str, path: str) -> str:
    """Log of the job of a stage that writes results/{kind}/{rest of path}: logs/{stage}/{rest}.log."""
    return f"logs/{stage}/{path.split('/', 2)[2]}.log"


def shard(dataset: str, pool: str, group: str, index: int) -> str:
    """Path of one shard of a pool."""
    return f"{POOL.format(dataset=dataset, pool=pool)}/{group}/shard-{index:04d}.parquet"


def class_group(name: str) -> str:
    """The group of the shards of one class: its name where a path can have it, else an abridged one with a digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"class-{plain if plain == name else f'{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}'}"


def shard_name(path: str) -> tuple[str, int]:
    """(group, index) of a shard's path."""
    parts = Path(path)
    return parts.parent.name, int(parts.stem.removeprefix("shard-"))
