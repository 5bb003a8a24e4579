"""Slices: which rows belong to each of the parts of the data that are looked at by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def slice_masks(
    frame: pd.DataFrame, functions: Mapping[str, Callable[[pd.DataFrame], pd.Series]]
) -> dict[str, np.ndarray]:
    """Apply slice functions to the rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        At least the columns ``text`` (str) and ``tag`` (str, missing for rows without tag); n rows. Each function
        gets a copy of these two.
    functions : mapping of str to callable
        Name to function, as in `config.slices.SLICES`.

    Returns
    -------
    dict of str to numpy.ndarray
        Name to mask: bool, shape (n,). A missing value in a function's answer counts as False.

    Raises
    ------
    TagscopeError
        If a function raises, or does not return one truth value per row; it names the slice.
    """
    return {name: _mask(name, function, frame[["text", "tag"]].copy()) for name, function in functions.items()}


def _mask(name: str, function: Callable[[pd.DataFrame], pd.Series], frame: pd.DataFrame) -> np.ndarray:
    """Apply one function and check its answer."""
    index = frame.index
    try:
        result: Any = function(frame)
    except Exception as error:  # whatever a user's function raises, the name of the slice must be told
        raise TagscopeError(
            f'The slice "{name}" cannot be computed ({type(error).__name__}: {error}); '
            "mend its function in config/slices.py."
        ) from error
    what = None
    if not isinstance(result, pd.Series | np.ndarray):
        what = f"a {type(result).__name__}"
    elif result.shape != (len(index),):
        what = f"{' x '.join(str(side) for side in result.shape)} values for {len(index)} rows"
    elif isinstance(result, pd.Series) and not result.index.equals(index):
        what = "rows in another order"
    elif not pd.api.types.is_bool_dtype(result.dtype):
        values = pd.Series(result).dropna()
        if not (values.dtype == object and all(isinstance(value, bool | np.bool_) for value in values)):
            what = f"values of the type {result.dtype}"
    if what:
        raise TagscopeError(
            f'The slice "{name}" returned {what}; its function in config/slices.py must return one True or False '
            "per row."
        )
    series = pd.Series(result)
    return np.asarray(series.where(series.notna(), False).astype(bool).to_numpy(), dtype=bool)
