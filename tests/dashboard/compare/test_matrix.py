"""The matrix: its figures are those of the pairs, its colours hold for all of it, and a cell means exactly its rows."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.evaluation.selection import parse_selection
from dashboard.sections.compare.matrix import Matrix, matrix_of
from dashboard.sections.compare.matrix_view import Head, MatrixView, legend_html, table_html
from dashboard.state import DashboardState
from dashboard.text import safe_text
from engine.evaluation.significance import mcnemar

from .made import Runs


def matrix_and_view(runs: Runs, base: str) -> tuple[Matrix, MatrixView, DashboardState]:
    state = DashboardState()
    matrix = matrix_of(base, [runs.pair(base, run_id) for run_id in runs.run_ids if run_id != base], "tags")
    view = MatrixView(state, "tags")
    view.show(matrix, {}, runs.run_ids[-1])
    return matrix, view, state


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_cell_leads_to_exactly_the_rows_that_pandas_finds(seed: int) -> None:
    runs = Runs(seed)
    base = runs.run_ids[1]
    matrix, view, state = matrix_and_view(runs, base)
    keys = dict.fromkeys(re.findall(r'data-pick="(\d+:\d+:[\w:]+)"', view._table.html))
    counts = [count for cell in matrix.cells.values() for count in (cell.flip, *cell.counts.values())]
    assert len(keys) == sum(map(bool, counts))
    for key in keys:
        row, column, run_id, *flip = key.split(":")
        cell = matrix.cells[matrix.names[int(row)], matrix.runs[int(column)]]
        both = runs.both(base, run_id)
        has = both["true"] == cell.delta.name
        knew = [(both[f"said_{at}"] == cell.delta.name) == has for at in (0, 1)]
        rows = {"fixed": ~knew[0] & knew[1], "broken": knew[0] & ~knew[1]}
        assert (rows["fixed"].sum(), rows["broken"].sum()) == (cell.delta.improved, cell.delta.regressed)
        view._picked(key)
        assert (state.selection.run_id, state.runs.against) == (run_id, base)
        run = runs.runs[run_id]
        meant = flip[0] if flip else cell.flip
        assert set(run.ids[run.mask(parse_selection(state.examples.examples))]) == set(both["id"][rows[meant]])
        if flip:
            # Both are reached from the cell, whichever the cell itself leads to.
            assert f'data-pick="{key}">{rows[meant].sum():,} {meant}</button>' in view._table.html
        # The way of the change and the examples that are shown agree.
        assert cell.flip == ("fixed" if cell.delta.change > 0 else "broken" if cell.delta.change < 0 else cell.flip)


def test_colours_are_corrected_for_all_cells_of_the_matrix() -> None:
    runs = Runs(3, 600, (0.5, 0.5, 0.95, 0.55))
    matrix, view, _state = matrix_and_view(runs, runs.run_ids[0])
    cells = list(matrix.cells.values())
    p = mcnemar([cell.delta.improved for cell in cells], [cell.delta.regressed for cell in cells])
    order = np.argsort(p, kind="stable")
    holm = np.minimum(np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))), 1.0)
    assert [cells[place].p for place in order] == pytest.approx(holm.tolist())
    assert {cell.run_id for cell in cells if cell.marked} == {runs.run_ids[2]}
    html = view._table.html
    assert html.count("class=up") + html.count("class=down") == sum(cell.marked for cell in cells) == 3
    assert html.count("▲") == 3
    assert "3 of 9 changes have a colour, in 3 of 3 tags" in view._legend.object
    # A change has its value and its interval in its tip.
    one = next(cell for cell in cells if cell.marked)
    assert f"{one.delta.before:.3f} → {one.delta.after:.3f}" in one.meaning
    assert f"95 %: +{one.delta.low:.3f} to +{one.delta.high:.3f}" in one.meaning
    assert f'<span aria-hidden="true">{safe_text(one.meaning)}</span>' in html
    assert safe_text(one.spoken) in html
    assert (
        f"{one.delta.improved} fixed, {one.delta.regressed} broken; a click leads to those that it fixed" in one.spoken
    )


def test_the_legend_counts_in_words_that_fit() -> None:
    runs = Runs(3, 600, (0.5, 0.5, 0.95, 0.55))
    matrix, _view, _state = matrix_and_view(runs, runs.run_ids[0])
    one = next(key for key, cell in matrix.cells.items() if cell.marked)
    others = {key: cell for key, cell in matrix.cells.items() if not cell.marked}

    def said(cells: dict) -> str:
        names = tuple(dict.fromkeys(name for name, _run in cells))
        return legend_html(Matrix(matrix.base, matrix.runs, names, cells), "tags")

    assert "None has a colour" in said(others)
    assert "1 of 7 changes has a colour, in 1 of 3 tags" in said({one: matrix.cells[one], **others})
    assert "1 of 1 change has a colour, in 1 of 1 tag<" in said({one: matrix.cells[one]})


def test_runs_that_answer_by_chance_alike_have_hardly_ever_a_colour() -> None:
    coloured = 0
    for seed in range(60):
        runs = Runs(seed, 150, (0.6, 0.6, 0.6, 0.6))
        coloured += any(cell.marked for cell in matrix_and_view(runs, runs.run_ids[0])[0].cells.values())
    assert coloured <= 8


def test_rows_with_a_colour_come_first_and_names_are_text() -> None:
    runs = Runs(3, 600, (0.5, 0.95))
    pair = runs.pair(*runs.run_ids)
    matrix = matrix_of(runs.run_ids[0], [pair], "tags")
    assert [matrix.cells[name, pair.after].marked for name in matrix.names] == sorted(
        (cell.marked for cell in matrix.cells.values()), reverse=True
    )
    hostile = "<img src=x onerror=alert(1)>\"'"
    cells = {(hostile, pair.after): next(iter(matrix.cells.values()))}
    html = table_html(Matrix(matrix.base, matrix.runs, (hostile,), cells), {pair.after: Head(hostile)}, "", "tags")
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;&quot;" in html


def test_a_head_shows_its_run_and_keeps_the_base() -> None:
    runs = Runs(4)
    _matrix, view, state = matrix_and_view(runs, runs.run_ids[0])
    view._picked(f"run:{runs.run_ids[2]}")
    assert (state.selection.run_id, state.runs.against) == (runs.run_ids[2], runs.run_ids[0])
    assert state.examples.examples == ""


def test_fifty_tags_and_ten_runs_are_one_small_table() -> None:
    runs = Runs(5)
    matrix, _view, _state = matrix_and_view(runs, runs.run_ids[0])
    cell = max(matrix.cells.values(), key=lambda cell: len(cell.spoken) * all(cell.counts.values()))
    names, ids = tuple(f"tag {place}" for place in range(50)), tuple(f"{place:032x}" for place in range(10))
    cells = {(name, run_id): cell for name in names for run_id in ids}
    html = table_html(Matrix(runs.run_ids[0], ids, names, cells), {}, ids[0], "tags")
    assert html.count("<button") == 3 * 50 * 10 + 10
    assert len(html) < 450_000
