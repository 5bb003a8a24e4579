"""Slices: which rows belong to each of the parts of the data that are looked at by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from engine.errors import TagscopeError
from engine.evaluation.declared_slices import DeclaredSlice, SliceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.evaluation.declared_slices import SliceDefinition


def slice_masks(frame: pd.DataFrame, slices: Mapping[str, SliceDefinition]) -> dict[str, np.ndarray]:
    """Find the rows of slices.

    Parameters
    ----------
    frame : pandas.DataFrame
        At least the columns ``text`` (str) and ``tag`` (str, missing for rows without tag); n rows. Each function
        gets a copy of these two. Declared slices may ask for ``split`` and ``created``, too.
    slices : mapping of str to callable or DeclaredSlice
        Name to slice, as `engine.evaluation.slices_file.all_slices` returns them.

    Returns
    -------
    dict of str to numpy.ndarray
        Name to mask: bool, shape (n,). A missing value in a function's answer counts as False.

    Raises
    ------
    TagscopeError
        If a function raises, or does not return one truth value per row, or a declared slice asks for a column that
        is not there; it names the slice.
    """
    return {
        name: _declared(name, definition, frame)
        if isinstance(definition, DeclaredSlice)
        else _mask(name, definition, frame[["text", "tag"]].copy())
        for name, definition in slices.items()
    }


def _declared(name: str, record: DeclaredSlice, frame: pd.DataFrame) -> np.ndarray:
    """Apply one declared slice."""
    try:
        return record.mask(frame)
    except SliceError as error:
        raise TagscopeError(f'The slice "{name}" {error}; mend it in config/slices.toml.') from None


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
