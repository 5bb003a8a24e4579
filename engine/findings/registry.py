"""The registry: a finding is one decorated function in one file of a group's folder, and is found by itself."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

from engine.dataset.problems import listed, quoted
from engine.findings.contract import GROUPS, FindingError, Group, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.findings.context import Context
    from engine.findings.contract import Result

_SPECS: dict[str, Spec] = {}


def finding(
    kind: str, group: Group, title: str, *, advice: str, harm: float, needs: Sequence[str] = ()
) -> Callable[[Callable[[Context], Result]], Callable[[Context], Result]]:
    """Register the function below as a finding; parameters as in `engine.findings.contract.Spec`.

    Raises
    ------
    ValueError
        Another finding has this kind.

    Examples
    --------
    >>> @finding("shouting", "data", "Texts in capitals", advice="Write them in lower case.", harm=0.1)
    ... def shouting(context):
    ...     ...  # doctest: +SKIP
    """

    def register(function: Callable[[Context], Result]) -> Callable[[Context], Result]:
        if kind in _SPECS and _SPECS[kind].compute.__module__ != function.__module__:
            raise ValueError(f"two findings are called {kind!r}")
        _SPECS[kind] = Spec(kind, group, title, advice, harm, tuple(needs), function)
        return function

    return register


@functools.cache
def _scanned() -> None:
    for group in GROUPS:
        package = importlib.import_module(f"engine.findings.{group}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def specs(kinds: Sequence[str] | None = None) -> list[Spec]:
    """Return the findings there are, by group and name.

    Parameters
    ----------
    kinds : sequence of str, optional
        Only these.

    Raises
    ------
    engine.findings.contract.FindingError
        There is no finding of that kind.
    """
    _scanned()
    known = sorted(_SPECS.values(), key=lambda spec: (GROUPS.index(spec.group), spec.kind))
    if kinds is None:
        return known
    for kind in kinds:
        if kind not in _SPECS:
            names = listed([spec.kind for spec in known], len(known))
            raise FindingError(f"There is no finding {quoted(kind)}; choose among {names}.")
    return [spec for spec in known if spec.kind in set(kinds)]
