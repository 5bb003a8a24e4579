"""What a link says of the sections Performance, Errors and Compare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dashboard.evaluation.selection import SelectionError, parse_selection
from dashboard.text import plain_text
from dashboard.url import MAX_LINK_TEXT, BadValue, Field, check_length, check_member, check_page

if TYPE_CHECKING:
    from collections.abc import Callable

    import param


def evaluation_fields(
    figures: param.Parameterized,
    runs: param.Parameterized,
    examples: param.Parameterized,
    check_run: Callable[[str], None],
) -> list[Field]:
    """List the parameters of the sections Performance, Errors and Compare.

    Parameters
    ----------
    figures, runs, examples
        A `dashboard.state.FigureChoice`, `RunChoice` and `ExampleChoice`.
    check_run
        Raises `BadValue` for the id of a run that is not there.

    Returns
    -------
    list of Field
        What cannot be read is refused here; what the run on show does not have is said by the section, which knows it.
    """

    def runs_are_there(value: str) -> None:
        for run_id in value.split(","):
            if not run_id:
                raise BadValue("The link's runs are ids separated by commas, one of which is empty; it was left out.")
            check_run(run_id)

    one_of = {
        "below": ["rejected", "other"],
        "confusion": ["counts", "rates"],
        "bars": ["f1", "precision", "recall", "support", "name"],
        "order": ["time", "git tag", "version"],
        "metric": ["accuracy", "weighted F1", "macro F1"],
        "flip": ["fixed", "broken"],
        "sort": ["confident", "unsure", "surprised", "moved"],
        "view": ["cards", "table"],
    }

    def choice(name: str, owner: param.Parameterized, attribute: str) -> Field:
        return Field(name, owner, attribute, check_member(name, lambda: one_of[attribute]))

    return [
        Field("threshold", figures, "threshold", _check_number("threshold", 0.0, 1.0)),
        choice("below", figures, "below"),
        Field("cost", figures, "cost", _check_number("cost", 0.0, 1e6)),
        choice("confusion", figures, "confusion"),
        choice("bars", figures, "bars"),
        Field("compare", runs, "against", check_run),
        Field("over", runs, "over", runs_are_there),
        choice("order", runs, "order"),
        choice("metric", runs, "metric"),
        choice("flip", runs, "flip"),
        Field("both", runs, "text", check_length("text for both runs", 10 * MAX_LINK_TEXT), typed=True),
        Field("examples", examples, "examples", _check_examples),
        choice("examples-sort", examples, "sort"),
        choice("examples-view", examples, "view"),
        # After what they depend on: other examples begin at the first page, with none of them open.
        Field("examples-page", examples, "page", check_page),
        Field("example", examples, "example", check_length("example", MAX_LINK_TEXT), typed=True),
    ]


def _check_examples(value: str) -> None:
    try:
        parse_selection(value)
    except SelectionError as error:
        raise BadValue(f"The link's examples were left out: {error}") from None


def _check_number(name: str, least: float, most: float) -> Callable[[str], None]:
    def check(value: str) -> None:
        # Not what `float` takes besides: names of infinities, spaces, underscores.
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,17})?", value) or not least <= float(value) <= most:
            raise BadValue(
                f"The link's {name} “{plain_text(value, 40)}” is no number from {least:,g} to {most:,.0f}; it was left "
                "out."
            )

    return check
