"""The goals of the Data section, each with what was measured and whether it is met."""

from __future__ import annotations

import statistics
from typing import Any

import msgspec

MANY, FEW = 1_000_000, 1_000
INTERACTION_MS, TERMS_MS, LASSO_MS, LASSO_FEW_MS = 500, 2_000, 1_000, 200
FIRST_CONTENT_MS, SESSION_MB, GROWTH, LEAST_VISITS = 2_000, 25, 0.05, 500
FASTER_CONTENT, FASTER_SELECT = 2, 3


class Goal(msgspec.Struct, frozen=True):
    """One goal: a bound, from above or with `at_least` from below, and the figure held against it."""

    name: str
    figure: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the bound."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def written(self) -> dict[str, Any]:
        """Return it as it stands in the JSON."""
        return {**msgspec.to_builtins(self), "met": self.met}


def goals_of(results: dict[str, Any]) -> list[Goal]:
    """Return the goals on which the results have a figure.

    Parameters
    ----------
    results
        As `benchmarks/results/dashboard.json` holds them; what was not measured has no goal.
    """
    goals = []
    for size in results.get("results", []):
        if size["rows"] not in (MANY, FEW):
            continue
        where = f"{size['rows']:,} rows"
        times = size["interactions_ms"]
        if size["rows"] == FEW:
            goals += [Goal(f"{where}: lasso, p95, ms", times["lasso"]["p95"], LASSO_FEW_MS)] if "lasso" in times else []
            continue
        goals.append(Goal(f"{where}: first content, p95, ms", size["first_content_ms"]["p95"], FIRST_CONTENT_MS))
        goals += [Goal(f"{where}: {name}, p95, ms", seen["p95"], _bound(name)) for name, seen in times.items()]
        if size["mb_per_further_session"]:
            mean = statistics.fmean(size["mb_per_further_session"])
            goals.append(Goal(f"{where}: one more session, MB", round(mean, 1), SESSION_MB))
    series = results.get("visits")
    if series and series["visits"] >= LEAST_VISITS:
        name = f"{series['visits']:,} visits: growth of memory in the last half"
        goals.append(Goal(name, round(series["last_half_growth"], 4), GROWTH))
    beside = results.get("beside_streamlit")
    if beside:
        ratios = beside["ratios"]
        goals.append(Goal("Streamlit / Tagscope, first content", ratios["content"], FASTER_CONTENT, at_least=True))
        goals.append(Goal("Streamlit / Tagscope, tag to its F1", ratios["select"], FASTER_SELECT, at_least=True))
    return goals


def _bound(name: str) -> float:
    return {"lasso": LASSO_MS, "characteristic words of another tag": TERMS_MS}.get(name, INTERACTION_MS)
