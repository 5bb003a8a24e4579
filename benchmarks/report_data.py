"""Sections of docs/benchmarks.md on the data section: findings, exploration and the page in a browser."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from markdown_tables import table


def findings(results: dict[str, Any]) -> str:
    """Known mistakes found, and the time of all findings."""
    rows = [
        (f"known wrong tags, {name}", f"{row['precision']:.3f}", f"{row['recall']:.3f}")
        for name, row in results["label_errors"].items()
        if isinstance(row, dict)
    ]
    pairs, time = results["duplicates"], results["time"]
    rows.append(("known duplicate pairs", f"{pairs['precision']:.3f}", f"{pairs['recall']:.3f}"))
    for name, model in (("flips", "naive Bayes"), ("flips_by_logistic_regression", "logistic regression")):
        if flips := results.get(name):
            what = f"5 % flips of the lesson's tags, {flips['seeds']} seeds, worst 10 %, by {model}"
            cost = f" ({flips['model_cpu_seconds']:.2f} s of the processor)" if "model_cpu_seconds" in flips else ""
            spread = f"{flips['recall']:.3f} ({flips['lowest']:.3f} to {flips['highest']:.3f})"
            rows.append((what + cost, "", spread))
    text = table(("what", "precision", "recall"), rows)
    if time:
        text += (
            f"\n\nAll findings of {time['rows']:,} rows: {time['seconds']:.0f} s, {time['peak_mib']:,.0f} MiB at most; "
            f"opened again in {time['again_seconds'] * 1e3:.0f} ms."
        )
    return text


def exploration(results: dict[str, Any]) -> str:
    """Time of what the data section asks the engine, by number of rows."""
    sizes = results["results"]
    head = ("median / p95, ms", *(f"{size['rows']:,} rows" for size in sizes))
    rows = [
        (
            name,
            *(
                f"{size['operations'][name]['median_ms']:,.1f} / {size['operations'][name]['p95_ms']:,.1f}"
                for size in sizes
            ),
        )
        for name in sizes[-1]["operations"]
    ]
    facts = [
        ("map, drawn once, s", *(f"{size['built_s']['map']['wall']:.1f}" for size in sizes)),
        ("words, counted once, s", *(f"{size['built_s']['words']['wall']:.1f}" for size in sizes)),
        ("resident memory at the end, MiB", *(f"{size['resident_mib']['at the end']:,}" for size in sizes)),
    ]
    return (
        "In process, without a page: rows recombined from real texts, every repetition asks for something else.\n\n"
        + table(head, [*rows, *facts])
    )


def dashboard(results: dict[str, Any]) -> str:
    """Time of the data section in Chromium, memory over visits, the page beside the lesson's, and the goals."""
    parts = []
    if sizes := results["results"]:
        parts.append(
            "A warm server, Chromium on the same machine; from the event in the browser to the first frame that shows "
            "the answer and, in brackets, until the last view has followed. No repetition asks for what was "
            "asked before.\n\n"
            + table(("median / p95, ms", *(f"{size['rows']:,} rows" for size in sizes)), _times(sizes))
        )
    if series := results.get("visits"):
        curve = series["curve"]
        points = [curve[round(part * (len(curve) - 1) / 5)] for part in range(6)]
        parts.append(
            f"{series['visits']:,} visits of {series['rows']:,} rows, each of which filters once and leaves, "
            f"{series['looked_at_everything']:,} of them after a look at all charts: resident "
            f"memory grows by {series['last_half_growth']:+.1%} in the last half.\n\n"
            + table(
                ("visits", *(f"{visits:,}" for visits, _ in points)), [("MiB", *(f"{size:,.0f}" for _, size in points))]
            )
        )
    if beside := results.get("beside_streamlit"):
        both = [
            (
                label,
                *(f"{beside[key][name]:,.0f}" for name in ("tagscope", "streamlit")),
                f"{beside['ratios'][ratio]:.1f}",
            )
            for key, ratio, label in (
                ("first_content_ms", "content", "first content"),
                ("select_to_number_ms", "select", "tag selected to its F1"),
            )
        ]
        parts.append(
            f"Beside the lesson's page in Streamlit {beside['streamlit']}, on the projects that ship here, medians of "
            f"{beside['visits']} visits:\n\n" + table(("ms", "Tagscope", "Streamlit", "Streamlit / Tagscope"), both)
        )
    goals = [
        (
            goal["name"],
            f"{goal['figure']:,}",
            f"{'at least' if goal['at_least'] else 'at most'} {goal['bound']:,}",
            "met" if goal["met"] else "not met",
        )
        for goal in results["goals"]
    ]
    parts.append(table(("goal", "measured", "bound", ""), goals))
    return "\n\n".join(parts)


def _times(sizes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows of the table of times and memory, one column per size; empty where a size was measured without it."""

    def cell(seen: dict[str, float] | None) -> str:
        return f"{seen['median']:,.0f} / {seen['p95']:,.0f}" if seen else ""

    def both(size: dict[str, Any], name: str) -> str:
        every = cell(size["all_views_ms"].get(name))
        return f"{cell(size['interactions_ms'].get(name))} ({every})" if every else ""

    named = {"first content": "first_content_ms", "first rows of the table": "first_rows_ms"}
    rows = [(label, *(cell(size[key]) for size in sizes)) for label, key in named.items()]
    names = dict.fromkeys(name for size in sizes for name in size["interactions_ms"])
    rows += [(name, *(both(size, name) for size in sizes)) for name in names]
    facts = {
        "start of the server, s": "server_start_s",
        "map of the texts, drawn once, s": "map_s",
        "resident memory of the server, MiB": "resident_mib",
    }
    rows += [(label, *(f"{size[key]:,}" for size in sizes)) for label, key in facts.items()]
    further = [size["mb_per_further_session"] for size in sizes]
    rows.append(("for each further session, MB, mean", *(f"{fmean(each):,.1f}" if each else "" for each in further)))
    return rows
