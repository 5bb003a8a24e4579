"""Sections of docs/benchmarks.md on evaluation: its time, its intervals, its comparison of runs, its weak slices."""

from __future__ import annotations

from typing import Any

from markdown_tables import table


def evaluation(results: dict[str, Any]) -> str:
    """Time of what the dashboard asks for."""
    million = results["seconds_of_a_million"]
    rows = [
        (what, f"{1e3 * time['clock']:.0f}", f"{1e3 * million[what]['clock']:.0f}" if what in million else "")
        for what, time in results["seconds"].items()
    ]
    return (
        f"{results['tags']} tags, {results['slices']} slices, {results['runs']} runs; rows of one run each, in "
        "milliseconds.\n\n" + table(("what", f"{results['rows']:,} rows", f"{results['million']:,} rows"), rows)
    )


def intervals(results: dict[str, Any]) -> str:
    """How often the 95 % intervals hold the truth."""
    sizes = list(results["coverage"]["accuracy"])
    rows = [
        (name, *(f"{100 * by_size[size]['mean']:.1f}" if size in by_size else "" for size in sizes))
        for name, by_size in results["coverage"].items()
    ]
    time = results["seconds"]["all"]
    return (
        f"Per cent of the 95 % intervals that hold the truth, averaged over models and tags of known truth; "
        f"{results['samples']} samples each. All figures with intervals of 1,000,000 rows, 50 tags: {time:.1f} s.\n\n"
        + table(("figure", *(f"n = {size}" for size in sizes)), rows)
    )


def failures(results: dict[str, Any]) -> str:
    """How soon a visitor sees Performance, Errors and Compare."""

    def cell(one: dict[str, float]) -> str:
        return f"{one['median']:,.0f} / {one['p95']:,.0f}"

    def often(one: dict[str, Any]) -> str:
        # One that was measured again by itself.
        return "" if one.get("repeats", results["repeats"]) == results["repeats"] else f", {one['repeats']} repetitions"

    shows = [
        (f"{name}, by its link", cell(one["shown"]), cell(one["all"]), f"{one['first visitor']:,.0f}")
        for name, one in results["first_shows"].items()
    ]
    views = [
        (name + often(one), cell(one["shown"]), cell(one["all"]), cell(one["first of all"]))
        for name, one in results["views"].items()
    ]
    held = sum(verdict["holds"] for verdict in results["verdicts"])
    words = results["why"]
    return (
        f"{results['rows']:,} rows, {results['tags']} tags, {results['runs']} runs, seen from Chromium; milliseconds, "
        f"median / p95 of {results['visits']} visits and of {results['repeats']} repetitions. Goals: 2,000 for a first "
        f"show, 300 for each view after it; {held} of {len(results['verdicts'])} hold.\n\n"
        + table(("view", "shown", "all has followed", "by the first of all"), shows + views)
        + f"\n\nWords of an example marked (occlusion, `ngram`, embedded data): {cell(words)} ms; at most 300 asked "
        f"for. Resident memory of the server in the end: {results['resident_mib']:,} MiB."
    )


def comparison(results: dict[str, Any]) -> str:
    """Count false alarms and what is found."""
    rows = [
        (
            size,
            *(f"{found['p']['overall, exact'][level]:.3f}" for level in ("0.01", "0.05", "0.1")),
            f"{found['any_tag_flagged']:.3f}",
            f"{found['any_slice_flagged']:.3f}",
        )
        for size, found in results["no_difference"].items()
    ]
    head = ("rows", "p ≤ 0.01", "p ≤ 0.05", "p ≤ 0.10", "any tag flagged", "any slice flagged")
    text = (
        f"{results['rounds']:,} pairs of runs that do not differ, for each number of rows: share in which McNemar's "
        f"exact test says that they do, and in which any tag or slice is flagged (5 %).\n\n{table(head, rows)}"
    )
    for share, draws in results["planted_on_lesson"].items():
        found = sum(draw["flagged"] for draw in draws)
        alarms = sum(bool(draw["unchanged"]) for draw in draws)
        text += (
            f"\n\nLesson's data, {float(share):.0%} of the answers of one slice made wrong: the slice is flagged in "
            f"{found} of {len(draws)}, a slice that did not change in {alarms}."
        )
    return text


def weak_slices(results: dict[str, Any]) -> str:
    """Planted slices found, and noise left alone."""
    rows = []
    for name, draws in results["planted"].items():
        firsts = [sum(0 < (one["place"] or 0) <= 3 for one in terms) for terms in draws]
        rows.append((name, f"{min(firsts)} to {max(firsts)} of {len(draws[0])}"))
    time = results["time"]
    once, each = (time[name]["clock"] for name in ("seconds_once_per_data_set", "seconds_per_run"))
    noise = results["random_labels"]
    return (
        f"Lesson's data, out of fold, terms of at least {results['least_rows']} rows, five draws of ten; labels of "
        "a term's rows made wrong.\n\n"
        + table(("labels made wrong", "term among the first three found"), rows)
        + "\n\n"
        f"Random labels: {noise['reported']} of {noise['runs']} runs report any slice; random errors: "
        f"{results['random_errors']['reported']} of {results['random_errors']['runs']}. {time['rows']:,} rows with "
        f"{time['slices']:,} slices: {once:.1f} s once for the data set and {each:.1f} s for each run."
    )
