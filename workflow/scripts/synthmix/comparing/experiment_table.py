"""Tables of runs (experiments.csv): read as they were written, filtered, compared by what their columns hold."""

import io
from pathlib import Path

import pandas as pd

from synthmix.experiments import RUN
from synthmix.planning.messages import suggestion

EXAMPLE = 'write one such as model == "cnn" and seed < 3'
# What a row shows where nobody says it.
USUAL = (*RUN, "real_images", "synthetic_images", "accuracy", "balanced_accuracy", "auroc", "nll", "train_seconds")


class TableError(ValueError):
    """A table of runs cannot be used as asked; one line with the remedy."""


def read(source: str | Path | io.BytesIO, name: str | Path) -> pd.DataFrame:
    """The runs of an experiments.csv, a row each, numbers to their last digit; `name` is what errors call it.

    Raises TableError where it is not there or is another table.
    """
    try:
        # names such as "nan" are names here: only an empty cell is missing
        frame = pd.read_csv(source, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise TableError(f"{name}: no such file") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise TableError(
            f"{name}: not a table of runs ({str(error).splitlines()[0]}); name an experiments.csv"
        ) from error
    missing = [column for column in RUN if column not in frame]
    if missing:
        raise TableError(f"{name}: not a table of runs (it has no column {missing[0]}); name an experiments.csv")
    if not pd.api.types.is_integer_dtype(frame["seed"]):
        raise TableError(f"{name}: not a table of runs (its seeds are not whole numbers); name an experiments.csv")
    return frame.sort_values(RUN, ignore_index=True)


def query(frame: pd.DataFrame, where: str | None = None, columns: str | None = None) -> pd.DataFrame:
    """The rows for which an expression of pandas holds, such as `model == "cnn" and seed < 3`, and some columns.

    columns: names separated by commas; without it, the usual ones. Raises TableError for an expression that cannot be
    evaluated, or a column that there is not.
    """
    if where:
        try:
            chosen = frame.eval(where, engine="python")
        except pd.errors.UndefinedVariableError as error:
            name = str(error).split("'")[1]
            raise TableError(f"WHERE: no column {name}{suggestion(name, frame.columns)}") from None
        except (SyntaxError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TableError(f"WHERE: {where}: {said}; {EXAMPLE}") from None
        if not isinstance(chosen, pd.Series) or not pd.api.types.is_bool_dtype(chosen):
            raise TableError(f"WHERE: {where}: it is no condition; {EXAMPLE}")
        frame = pd.DataFrame(frame[chosen])
    if not columns:
        return frame[[name for name in USUAL if name in frame]]
    names = [name.strip() for name in columns.split(",")]
    for name in names:
        if name not in frame:
            raise TableError(f"COLUMNS: no column {name}{suggestion(name, frame.columns)}")
    return frame[names]
