"""The report of a study: what its page and its LaTeX document say, in the order in which a reader follows it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from synthmix.analysis import published
from synthmix.experiments import constant, groups
from synthmix.reports import answers, limitations, methods, resources_used
from synthmix.reports.citations import cited
from synthmix.reports.formatting import count, drop_empty
from synthmix.reports.rendering import Table
from synthmix.tables.accuracy import scope

UNKNOWN = "unknown"  # a licence of which nothing is known

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Words:
    """A paragraph, with a heading of its own where it has one.

    text: `code`, *emphasis*, **strong words** and citations [@key] in it are marked so.
    """

    text: str
    heading: str = ""


@dataclass(frozen=True)
class Points:
    """A list."""

    texts: list[str]


@dataclass(frozen=True)
class Shown:
    """A table or figure. stage: tables or figures. title: its heading; about: what its kind shows.

    table: the content, for a table that is the report's own; those of the study are read from their files.
    """

    stage: str
    name: str
    title: str
    about: str = ""
    table: Table | None = None


Part = Words | Points | Shown


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading."""

    title: str
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All of it. references: keys of the publications that its texts cite, in order."""

    title: str
    sections: list[Section]
    references: list[str]


@dataclass(frozen=True)
class Results:
    """What a report is made from, beside its spec.

    meta: meta.json of each data set. experiments, comparisons: None for a study without runs. versions: of the software
    of each training job. benchmarks: files of all jobs.
    """

    meta: Sequence[Mapping[str, Any]]
    experiments: pd.DataFrame | None
    comparisons: pd.DataFrame | None
    versions: Sequence[dict[str, str]]
    benchmarks: Sequence[str | Path]


def compose(spec: Spec, results: Results) -> Report:
    """The report of a study; spec: see reports.contents."""
    of, order = spec["definitions"], spec["order"]
    spec = {**spec, "definitions": {section: {name: of[section][name] for name in order[section]} for section in order}}
    sections = [
        Section("Question", [Words(spec["question"])]),
        Section("Answer", [Words(text) for text in answers.answer(spec, results.experiments, results.comparisons)]),
        Section("Data", list(_data(spec, results.meta))),
        Section("Who saw what", list(_seen(spec, results.experiments))),
        Section("Results", list(_views(spec))),
        Section("Published values", list(_published(spec["published"]))),
        Section("Methods", [Words(text, heading) for heading, text in methods.paragraphs(spec)]),
        Section("Limitations", [Points(_limitations(spec, results))]),
        Section("Hardware, hours and energy", list(_resources(spec, results))),
        Section("Software", [Words(SOFTWARE)]),
    ]
    sections = [
        section for section in sections if any(not isinstance(part, Points) or part.texts for part in section.parts)
    ]
    return Report(spec["title"], sections, cited(_texts(sections)))


SOFTWARE = (
    "This report was written by synthmix, a workflow of Snakemake [@molder2021], from the study's file and results. "
    "Tables are beside it as CSV, in full precision, Markdown, LaTeX and HTML; figures as SVG, PDF and PNG; every "
    "run stands in `experiments.csv`, every comparison in `comparisons.csv`."
)
_SEEN = [
    "A full-data generator saw all of train. Real images are counted over all classes; generated images are those that "
    "a classifier trained on. Validation images are not counted: they are in no training set.",
]


def _texts(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for part in section.parts:
            if isinstance(part, Words):
                yield part.text
            elif isinstance(part, Points):
                yield from part.texts
            else:
                yield part.about


def _data(spec: Spec, meta: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    rows, data = [], []
    for each in meta:
        terms = spec["licences"][each["name"]]
        height, width = each["size"]
        row = {"Data set": each["name"], "Classes": count(len(each["classes"]))}
        for split in ("train", "val", "test"):
            images = each["counts"][split].values()
            data += [
                {"dataset": each["name"], "split": split, "class": k, "images": n}
                for k, n in each["counts"][split].items()
            ]
            span = count(min(images)) if min(images) == max(images) else f"{count(min(images))} to {count(max(images))}"
            row[split.capitalize()] = f"{count(sum(images))} ({span} a class)"
        row |= {
            "Pixels": f"{height} x {width} x {each['channels']}",
            "Source": _source(each),
            "Licence": terms if terms != UNKNOWN else "",
        }
        rows.append(row)
    if not rows:
        return
    yield Shown(
        "tables", "data", "Images of each split", table=Table(pd.DataFrame(data), drop_empty(pd.DataFrame(rows)), [])
    )
    unsaid = [f"`{each['name']}`" for each in meta if spec["licences"][each["name"]] == UNKNOWN]
    notes = [f"`{each['name']}`: {note}" for each in meta for note in each.get("notes", [])]
    if unsaid:
        notes.append(f"It is not known here under which licence {methods.listed(unsaid)} may be used.")
    yield Points(notes)


def _source(meta: Mapping[str, Any]) -> str:
    """Where images come from, with what identifies them there; never a path, which says nothing elsewhere."""
    source = meta["source"]
    named = [str(source[key]) for key in ("name", "version", "commit", "revision") if source.get(key)]
    return ", ".join([source["source"], *dict.fromkeys(named)])


def composition(each: Mapping[str, Any]) -> str:
    """What a training set is made of, in words; each: its definition."""
    parts = []
    if each.get("real"):
        parts.append(f"real: {_amount(each['real'])}")
    if each.get("held_back"):
        text = f"further real in the place of generated: {_amount(each['held_back'])}"
        if corrupt := each.get("corrupt"):
            kind = methods.CORRUPTIONS[corrupt["kind"]].partition(" [@")[0]
            text += f", with {kind} of severity {corrupt['severity']}"
        parts.append(text)
    if each.get("synthetic"):
        text = f"generated: {_amount(each['synthetic'])} of pool {each['pool']}"
        if each.get("filter"):
            text += f" by filter {each['filter']}"
        elif each.get("draw_from") not in (None, each["synthetic"]):
            text += f", drawn per seed from the first {each['draw_from']}"
        parts.append(text)
    if each.get("rebalance"):
        parts.append("smaller classes repeated")
    if each.get("shuffle_synthetic_labels"):
        parts.append("labels of generated images shuffled")
    if each.get("label_noise"):
        parts.append(f"{100 * each['label_noise']:g} % of labels wrong")
    return "; ".join(parts)


def _amount(value: Any) -> str:
    if value == "all":
        return "all"
    return f"{count(value['total'])} in all" if isinstance(value, Mapping) else f"{count(value)} a class"


def _seen(spec: Spec, experiments: pd.DataFrame | None) -> Iterator[Part]:
    if experiments is None:
        return
    rows: list[dict[str, Any]] = []
    order = list(spec["definitions"]["training_sets"])
    for (dataset, name), runs in groups(experiments, ["dataset", "training_set"]):
        columns = ("real_images", "synthetic_images", "generator_real_images", "filter_real_images")
        rows.append(
            {
                "dataset": dataset,
                "training_set": name,
                "generator": scope(runs),
                **{key: constant(runs, key) for key in columns},
            }
        )
        rows[-1]["filter"] = ", ".join(runs["filter"].dropna().unique()) if "filter" in runs else ""
        rows[-1]["made_of"] = composition(spec["definitions"]["training_sets"][name])
    rows.sort(key=lambda row: (row["dataset"], order.index(row["training_set"])))
    cells = [
        {
            "Data set": row["dataset"],
            "Training set": row["training_set"],
            "Made of": row["made_of"],
            "Real images: classifier": count(row["real_images"]),
            "Generated images": count(row["synthetic_images"]),
            "Real images: generator": (count(row["generator_real_images"]) or "unknown") if row["generator"] else "",
            "Real images: filter": (count(row["filter_real_images"]) or "unknown") if row["filter"] else "",
            "Generator": row["generator"],
        }
        for row in rows
    ]
    frame = pd.DataFrame(cells)
    notes = list(_SEEN)
    if frame["Data set"].nunique() == 1:
        notes.insert(0, f"Data set: {cells[0]['Data set']}.")
        frame = frame.drop(columns="Data set")
    yield Shown(
        "tables", "seen", "Images behind each training set", table=Table(pd.DataFrame(rows), drop_empty(frame), notes)
    )
    yield Points(list(_extractors(spec["definitions"]["extractors"])))


def _extractors(extractors: Mapping[str, Any]) -> Iterator[str]:
    for name, each in extractors.items():
        if each["kind"] != "classifier":
            yield f"Extractor `{name}`: a published network; what images it saw is unknown."
        elif each.get("train_on"):
            real = each["train_on"]["real"]
            yield f"Extractor `{name}`: saw, for each seed, the {real} real images a class of that seed."
        else:
            yield f"Extractor `{name}`: saw one half of train."


def _views(spec: Spec) -> Iterator[Part]:
    for stage in ("tables", "figures"):
        for view in spec[stage]:
            yield Shown(stage, view["name"], view["title"], view["about"])


def _published(entries: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    sources = dict.fromkeys(entry.get("source") or "a source that is not named" for entry in entries)
    points = []
    for source in sources:
        own = [entry for entry in entries if (entry.get("source") or "a source that is not named") == source]
        marks = {word: sum(entry.get("comparable") is mark for entry in own) for word, mark in _MARKS.items()}
        said = ", ".join(f"{n} {word}" for word, n in marks.items() if n)
        reasons = dict.fromkeys(entry["reason"] for entry in own if entry.get("reason"))
        points.append(f"{source}: {len(own)} value{'' if len(own) == 1 else 's'}, {said}.")
        points += [f"Reason: {reason}." for reason in reasons]
    if points:
        yield Words("They stand beside our own in the tables; one that was not run here says so.")
        yield Points(points)
    oddities = [note for note in published.notes(entries) if note.startswith("Oddity")]
    if oddities:
        yield Words("What is odd about the publications:")
        yield Points([note.partition(": ")[2] for note in oddities])


_MARKS = {"comparable": True, "not comparable": False, "of which comparability is not said": None}


def _limitations(spec: Spec, results: Results) -> list[str]:
    return limitations.limitations(spec, results.meta, results.experiments, results.comparisons)


def _resources(spec: Spec, results: Results) -> Iterator[Part]:
    for sentence in resources_used.hardware(results.experiments, results.versions):
        yield Words(sentence)
    table = resources_used.table(results.benchmarks, spec["watts_per_core"])
    if len(table.frame):
        yield Shown("tables", "resources", "Hours and energy by stage", table=table)
        yield Words("How CPU energy is estimated follows Green Algorithms [@lannelongue2021].")
