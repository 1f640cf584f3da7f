"""``skdeep predict``: what a saved model predicts for the rows of a table."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdeep.cli.tables import (
    Refused,
    check_columns,
    check_place,
    listed,
    one_line,
    read_table,
    table_path,
    warnings_as_notes,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTION = """\
Predicts for each row of a table, in its order. Of a classifier the columns of the result are
'prediction', the class, and 'probability_CLASS' of each class; of a regressor 'prediction'.

Columns are found by name, in any order; others than the model was fitted to are ignored.
"""


def add(commands: Any) -> None:
    """Add the command to the parsers of all commands."""
    command = commands.add_parser(
        "predict",
        help="predict for the rows of a table, by a saved model",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("model", type=Path, help="what skdeep tune, or skdeep.save, has written")
    command.add_argument("table", type=table_path, help="CSV (.csv, .csv.gz) or .parquet")
    command.add_argument("--out", type=table_path, required=True, help="the same formats")
    command.add_argument("--force", action="store_true", help="replace --out if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, read, predict, write."""
    check_place(options.out, options.force, [options.model, options.table])
    with warnings_as_notes():
        model = _loaded(options.model)
        encoder = getattr(model, "encoder_", None)
        columns = getattr(encoder, "columns_", ())
        words = [column.name for column in columns if column.family == "string"]
        table = read_table(options.table, words)
        names = model.feature_names_in_.tolist()
        check_columns(names, table, options.table)
        table = _dates_as_fitted(table, columns)
        others = [name for name in table if name not in set(names)]
        if others:
            print(f"note: not needed, and ignored: {listed(others)}", file=sys.stderr)
        try:
            predicted = predictions(model, table[names])
        except (ValueError, TypeError) as error:
            raise Refused(
                f"{options.table} is no table for this model: {one_line(error)}"
            ) from error
    write_table(predicted, options.out)
    print(f"{len(predicted):,} predictions are in {options.out}")
    return 0


def _loaded(path: Path) -> Any:
    """The model in a file, which must know its columns by name."""
    from skdeep.exceptions import LoadError
    from skdeep.persistence import load

    try:
        model = load(path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {one_line(error)}") from error
    except LoadError as error:
        raise Refused(one_line(error)) from error
    if not hasattr(model, "predict") or not hasattr(model, "feature_names_in_"):
        raise Refused(
            f"{path} holds a {type(model).__name__} that was not fitted to columns with names; fit "
            "a model to a DataFrame, or use skdeep.load in Python."
        )
    return model


def _dates_as_fitted(table: "pd.DataFrame", columns: Any) -> "pd.DataFrame":
    """Dates that one format of files has as such, and the other as strings."""
    import pandas as pd

    changed = {}
    for column in columns:
        if column.kind == "date" and column.name in table:
            values = table[column.name]
            is_date = pd.api.types.is_datetime64_any_dtype(values)
            if is_date and column.family == "string":
                changed[column.name] = values.map(pd.Timestamp.isoformat, na_action="ignore")
            elif not is_date and column.family == "date":
                with suppress(ValueError, TypeError):  # the encoder will say why not
                    changed[column.name] = pd.to_datetime(values, format="ISO8601")
    return table.assign(**changed)


def predictions(model: Any, X: Any) -> "pd.DataFrame":
    """What a model predicts for rows X, as a table.

    Raises
    ------
    ValueError, TypeError
        If they are not as those that it was fitted to.
    """
    import numpy as np
    import pandas as pd
    from sklearn.base import is_classifier

    predicted = np.asarray(model.predict(X))
    if predicted.ndim != 1:
        raise ValueError(f"it predicts {predicted.shape[1]} columns; use skdeep.load in Python.")
    columns = {"prediction": predicted}
    if is_classifier(model) and hasattr(model, "predict_proba"):
        names = [f"probability_{label}" for label in model.classes_.tolist()]
        columns |= dict(zip(names, model.predict_proba(X).T, strict=True))
    return pd.DataFrame(columns)
