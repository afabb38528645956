"""Cards of exported pools and classifiers: what they are, how good they are, and under which terms, for the hub."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from huggingface_hub import DatasetCard, DatasetCardData, EvalResult, ModelCard, ModelCardData

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.exports.licences import Licence, Source
from synthmix.files import write_text
from synthmix.reports.formatting import bracket, capitalised, count, joined, number, percent, run_metric_title
from synthmix.reports.rendering import Table, markdown
from synthmix.tables import audit, detection, scores

TEMPLATES = Path(__file__).resolve().parents[3] / "cards"
MOST_PROMPTS = 20  # that a card lists
PACKAGES = ("torch", "diffusers", "numpy", "pillow")  # that images depend on
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))  # names of the hub
TRAINED = {
    "ddpm": "A class-conditional diffusion model, trained from scratch",
    "train_from_scratch": "A small text-to-image pipeline, trained from scratch",
    "lora": "The text-to-image pipeline `{pipeline}`, fine-tuned by low-rank adaptation (LoRA)",
    "textual_inversion": "The text-to-image pipeline `{pipeline}`, with a new word for each class (textual inversion)",
}
UNTRAINED = {
    "text2image": "The text-to-image pipeline `{pipeline}`, as it was published.",
    "class2image": "The class-conditional pipeline `{pipeline}`, as it was published.",
    "files": "Somebody else: the study took the images over from files.",
}
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "ece", "nll")
LOSSES = {"ece": "expected calibration error", "nll": "negative log likelihood"}
USAGE = """\
import importlib, json, sys
sys.path.insert(0, "synthmix/workflow/scripts")
from PIL import Image
from safetensors.torch import load_file
from synthmix import data
from synthmix.networks import engine

config = json.load(open("config.json"))
build = importlib.import_module(f"synthmix.models.{config['architecture']}").build
shape = (config["channels"], config["size"][0], len(config["classes"]))
network = engine.Classifier(build(config["model"], *shape), config["channels"])
network.load_state_dict(load_file("model.safetensors"))
image = data.to_array(Image.open("image.png"), tuple(config["size"]), config["channels"])
confidence = engine.logits(network, engine.to_device(image[None], "cpu")).softmax(1)[0]
print(config["classes"][confidence.argmax()], confidence.max().item())"""


def write_dataset_card(folder: Path, facts: Mapping[str, Any], sources: Sequence[Source], terms: Licence) -> None:
    """Write README.md of an exported pool.

    Args:
        folder: with the images; `facts` is what `ExportedPool.write` gathers.
        sources: what the images are made of.
        terms: of the images.
    """
    images, generator = facts["images"], facts["generator"]
    total = int(images["images"].sum())
    name = f"{facts['dataset']}, generated: {facts['pool']}"
    header = DatasetCardData(
        pretty_name=name,
        task_categories=["image-classification"],
        size_categories=[next((size for most, size in SIZES if total < most), "n>1M")],
        annotations_creators=["machine-generated"],
        tags=["synthetic", "synthmix"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}],
        **_header(terms),
    )
    body = _rendered(
        "dataset.md",
        **facts,
        pretty_name=name,
        total=count(total),
        made=_made(facts),
        saw=_saw(facts),
        prompts_table=_markdown(_prompts(facts["prompts"])),
        prompts_file=(folder / "prompts.csv").exists(),
        shown_prompts=MOST_PROMPTS,
        images_table=_markdown(images if images["flagged"].any() else images.drop(columns="flagged")),
        flags=_flags(int(images["flagged"].sum()), facts["left_out"], generator["safety"]),
        scores=_measured(scores, "scores", facts["measures"]),
        audits=_measured(audit, "audits", facts["measures"]),
        detections=_measured(detection, "detections", facts["measures"]),
        versions=_versions({name: importlib.metadata.version(name) for name in PACKAGES}),
        **_licence(folder, "images", sources, terms),
    )
    DatasetCard(f"---\n{header.to_yaml()}\n---\n\n{body}").save(folder / "README.md")


def write_model_card(folder: Path, facts: Mapping[str, Any], sources: Sequence[Source], terms: Licence) -> None:
    """Write README.md of an exported classifier.

    Args:
        folder: with the weights; `facts` is what `ExportedModel.write` gathers.
        sources: what the classifier is made of.
        terms: of the classifier.
    """
    run, arm = facts["run"], facts["arm"]
    name = f"{run['dataset']} classifier: {run['training_set']}, {run['model']}, {run['recipe']}, seed {run['seed']}"
    known = facts["meta"]["source"]
    own = arm.loc[run["seed"]]
    kind = known["name"] if known["source"] == "hub" else run["dataset"]
    header = ModelCardData(
        model_name=name,
        pipeline_tag="image-classification",
        library_name="pytorch",
        tags=["synthmix"],
        eval_results=[
            EvalResult("image-classification", kind, run["dataset"], metric, float(own[metric]), dataset_split="test")
            for metric in ("accuracy", "balanced_accuracy", "macro_f1")
        ],
        **_header(terms),
    )
    note = "One seed has no interval over seeds."
    if len(arm) > 1:
        note = "Intervals are 95 % t intervals over seeds. A seed chosen by its result would look better than it is."
    if len(arm) < len(facts["wanted"]):
        note += f" {len(arm)} of the study's {len(facts['wanted'])} seeds are finished."
    body = _rendered(
        "model.md",
        **{**facts, "versions": _versions(facts["versions"])},
        pretty_name=name,
        usage=USAGE,
        run_name="/".join(str(run[key]) for key in ("dataset", "training_set", "model", "recipe", "seed")),
        trained_on=_trained_on(facts),
        counts_table=_markdown(_counts(facts["facts"])),
        stopped=_stopped(facts["facts"]),
        results_table=_markdown(_results(arm, run["seed"])),
        results_note=f"On {count(own['test_images'])} test images, which took no part in training. {note}",
        **_licence(folder, "classifier", sources, terms),
    )
    ModelCard(f"---\n{header.to_yaml()}\n---\n\n{body}").save(folder / "README.md")


def _rendered(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    values["definitions"] = yaml.safe_dump(values["definitions"], sort_keys=False, allow_unicode=True).strip()
    text = environment.get_template(template).render(**values)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _markdown(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table."""
    shown = frame.astype(str).rename(columns=capitalised)
    return markdown(Table(frame, shown), "").partition("\n\n")[2].strip()


# ---- licences --------------------------------------------------------------------------------------------------------


def _header(terms: Licence) -> dict[str, Any]:
    other = {"license_name": "see-license", "license_link": "LICENSE.md"} if terms.id == "other" else {}
    return {"license": terms.id, **other}


def _licence(folder: Path, what: str, sources: Sequence[Source], terms: Licence) -> dict[str, str]:
    """The words on terms, and a table of what is made of what; LICENSE.md holds both where the terms have no name."""
    note = f" ({terms.note})" if terms.note else ""
    said = f"Licence of the {what}: `{terms.id}`{note}. What went into it:"
    rows = [{"made of": each.what, "licence": each.licence.id, "note": each.licence.note} for each in sources]
    table = _markdown(pd.DataFrame(rows))
    if terms.id == "other":
        write_text(folder / "LICENSE.md", f"{said}\n\n{table}\n")
    return {"terms": said, "sources": table}


# ---- pools -----------------------------------------------------------------------------------------------------------


def _made(facts: Mapping[str, Any]) -> str:
    generator, trainer, dataset = facts["generator"], facts["trainer"], facts["dataset"]
    if trainer is None:
        text = UNTRAINED[generator["kind"]].format(pipeline=generator["pipeline"])
    else:
        text = TRAINED[trainer].format(pipeline=generator["pipeline"]) + f", on train images of data set {dataset}."
        if generator["train_on"]:
            text += " There is one for each classifier seed."
    if change := generator["img2img"]:
        text += f" Each image starts from a real train image of its class (strength {change['strength']})."
    return text


def _saw(facts: Mapping[str, Any]) -> str:
    meta, dataset = facts["meta"], facts["dataset"]
    train = f"all {count(sum(meta['counts']['train'].values()))} train images of data set {dataset}"
    known = " ".join(str(meta["source"][key]) for key in ("source", "name", "version") if meta["source"].get(key))
    source = f" Data set {dataset}: {known}, SHA-256 of its images `{meta['source']['sha256'][:16]}`."
    each = (facts["generator"]["train_on"] or {}).get("real")
    how = "after images" if facts["trainer"] else "as starting points, after images"
    words = {
        "full": f"{train} and no others; no validation or test image.",
        "same": f"{each} real images per class of data set {dataset}, its own for each seed; none of val or test.",
        "fine-tuned": f"{train}, {how} that are unknown.",
        "unknown": "unknown.",
    }
    return words[facts["scope"]] + source


def _prompts(prompts: Sequence[tuple[str, int]]) -> pd.DataFrame:
    rows = [{"prompt": text, "images": count(images)} for text, images in prompts[:MOST_PROMPTS]]
    return pd.DataFrame(rows, columns=["prompt", "images"])


def _flags(flagged: int, left_out: int, safety: str | None) -> str:
    if safety is None:
        return "No safety checker looked at the images."
    if safety == "record":
        return (
            f"The pipeline's safety checker objected to {count(flagged)} of the images above; they are among the files."
        )
    again = " after several drawings" if safety == "replace" else ""
    return f"The pipeline's safety checker objected{again} to {count(left_out)} more images, which are left out."


def _measured(kind: Any, name: str, measures: Mapping[str, Sequence[str]]) -> str:
    """The table of a kind over measured files, in Markdown; empty without a file."""
    if not measures[name]:
        return ""
    return markdown(kind.build({}, Artefacts.of({name: measures[name]})), "").partition("\n\n")[2].strip()


# ---- classifiers -----------------------------------------------------------------------------------------------------


def _trained_on(facts: Mapping[str, Any]) -> str:
    run, seen = facts["run"], facts["seen"]
    text = f"Training set `{run['training_set']}` of data set {run['dataset']}, model `{run['model']}`, recipe "
    text += f"`{run['recipe']}`. "
    text += "Its network started from pretrained weights. " if facts["pretrained"] else "Its network started random. "
    if seen:
        scopes = {
            "full": "saw all train images",
            "same": "saw the classifier's own real images",
            "fine-tuned": "saw all train images, and others that are unknown",
            "unknown": "saw images that are unknown",
        }
        text += f"Generated images come from pool `{seen['pool']}`, whose generator {scopes[seen['generator_scope']]}. "
    if seen.get("filter"):
        text += f"The filter `{seen['filter']}` chose them."
    return text.strip()


def _counts(facts: Mapping[str, Any]) -> pd.DataFrame:
    shown = {"real": "real_images", "real, repeated": "repeated_images", "generated": "synthetic_images"}
    rows = [{"training images": name, "number": count(facts[key])} for name, key in shown.items()]
    return pd.DataFrame([row for row in rows if row["number"] != "0" or row["training images"] != "real, repeated"])


def _stopped(facts: Mapping[str, Any]) -> str:
    text = f"{count(facts['steps'])} steps ({number(facts['epochs'])} epochs), ended by {facts['stopped_by']}"
    kept = (
        f"; the weights are those of step {count(facts['kept_step'])}" if facts["kept_step"] != facts["steps"] else ""
    )
    return f"{text}{kept}."


def _results(arm: pd.DataFrame, seed: int) -> pd.DataFrame:
    rows = []
    for metric in METRICS:
        values = arm[metric].dropna()
        if seed not in values.index:
            continue
        shown, form = (number, "number") if metric in LOSSES else (percent, "percent")
        interval = statistics.t_interval(values)
        title = LOSSES.get(metric) or f"{run_metric_title(metric)}, %"
        over = joined(shown(interval.mean), bracket(interval.low, interval.high, form))
        row = {"metric": capitalised(title), f"seed {seed}": shown(values[seed])}
        rows.append(row | ({f"mean of {len(values)} seeds": over} if len(values) > 1 else {}))
    return pd.DataFrame(rows).fillna("")


def _versions(versions: Mapping[str, str]) -> str:
    own = {"python": platform.python_version(), **versions}
    return ", ".join(f"{name} {version}" for name, version in own.items())
