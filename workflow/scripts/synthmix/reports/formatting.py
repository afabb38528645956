"""Numbers as people read them in tables; a missing number is an empty text. All ASCII, so that LaTeX takes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

Number = float | int | None


def missing(value: object) -> bool:
    """True for None, NaN and NA."""
    return value is None or bool(pd.isna(value))  # type: ignore[call-overload]


def count(value: Number) -> str:
    """A whole number with thousands separators; one decimal where it is a mean that is not whole."""
    if value is None or missing(value):
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def number(value: Number, digits: int = 3) -> str:
    """`digits` significant digits, without an exponent between 0.0001 and a million."""
    if value is None or missing(value):
        return ""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")  # which may have a digit more before the point: 99.96 is 100
    return f"{value:,.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{value:#.{digits}g}"


def percent(value: Number) -> str:
    """A fraction as percent with one decimal, without the sign."""
    return "" if value is None or missing(value) else f"{100 * value:.1f}"


def bracket(low: Number, high: Number, form: str = "percent") -> str:
    """`[low, high]`, formatted by `percent` or `number`; empty where there is no interval."""
    if missing(low) or missing(high):
        return ""
    one = percent if form == "percent" else number
    return f"[{one(low)}, {one(high)}]"


def joined(*parts: str) -> str:
    """The parts that are not empty, with a space between."""
    return " ".join(part for part in parts if part)


def percent_interval(row: Mapping[str, Any], name: str) -> str:
    """A row's fraction `name` as percent, with its interval from `{name}_low` to `{name}_high` where it has one."""
    return joined(percent(row.get(name)), bracket(row.get(f"{name}_low"), row.get(f"{name}_high")))


def p_value(p: Number) -> str:
    """Three decimals below 0.1, two above; `<0.001` below that."""
    if p is None or missing(p):
        return ""
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def drop_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without columns in which every cell is empty."""
    return frame.loc[:, [bool((frame[name].astype(str) != "").any()) for name in frame.columns]]


# What metrics are called on Inception's features, on CLIP's, and on any others.
_TITLES = {
    "inception": {
        "fid": "FID",
        "fd_infinity": "FID at infinite n",
        "kid": "KID",
        "isc": "Inception score",
    },
    "clip": {"cmmd": "CMMD"},
    "": {
        "fid": "Frechet distance",
        "fd_infinity": "Frechet distance at infinite n",
        "kid": "Kernel distance",
        "cmmd": "Gaussian-kernel distance",
        "isc": "Class score",
        "precision": "Precision",
        "recall": "Recall",
        "density": "Density",
        "coverage": "Coverage",
    },
}


def metric_title(metric: str, extractor_kind: str) -> str:
    """What to call a metric: FID, KID and Inception score are names for Inception's features only, CMMD for CLIP's."""
    return (_TITLES[""] | _TITLES.get(extractor_kind, {})).get(metric, metric)


def run_metric_title(metric: str) -> str:
    """What to call a metric of runs within a sentence: "balanced accuracy"."""
    return {"auroc": "AUROC", "macro_f1": "macro F1"}.get(metric, metric.replace("_", " "))


def capitalised(title: str) -> str:
    """The title with its first letter in upper case, the others as they are."""
    return title[:1].upper() + title[1:]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries, with None for every missing cell."""
    whole = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in whole.to_dict("records")]


def hoist(frame: pd.DataFrame, columns: Iterable[str]) -> tuple[pd.DataFrame, list[str]]:
    """The frame without those of `columns` that hold one value only, and a note for each: `Dataset: digits.`"""
    notes = []
    for name in columns:
        values = frame[name].unique()
        if len(values) == 1 and len(frame) > 1:
            frame = frame.drop(columns=name)
            notes.append(f"{name}: {values[0]}.")
    return frame, notes
