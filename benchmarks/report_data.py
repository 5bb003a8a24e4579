"""Sections of docs/benchmarks.md on the data section: findings, exploration and the page in a browser."""

from __future__ import annotations

from typing import Any

from markdown_tables import table


def findings(results: dict[str, Any]) -> str:
    """Known mistakes found, and the time of all findings."""
    rows = [
        (f"known wrong tags, {name}", f"{row['precision']:.3f}", f"{row['recall']:.3f}")
        for name, row in results["label_errors"].items()
        if isinstance(row, dict)
    ]
    pairs, flips, time = results["duplicates"], results["flips"], results["time"]
    rows.append(("known duplicate pairs", f"{pairs['precision']:.3f}", f"{pairs['recall']:.3f}"))
    spread = f"{flips['recall']:.3f} ({flips['lowest']:.3f} to {flips['highest']:.3f})"
    rows.append((f"5 % flips of the lesson's tags, {flips['seeds']} seeds, worst 10 %", "", spread))
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
    """Time of the data section in Chromium, by number of rows, and beside the lesson's page."""
    sizes = results["results"]
    head = ("median / p95, ms", *(f"{size['rows']:,} rows" for size in sizes))

    def cell(seen: dict[str, float]) -> str:
        return f"{seen['median']:,.0f} / {seen['p95']:,.0f}"

    rows = [("first content", *(cell(size["first_content_ms"]) for size in sizes))]
    rows += [(name, *(cell(size["interactions_ms"][name]) for size in sizes)) for name in sizes[0]["interactions_ms"]]
    names = {
        "server_start_s": "start of the server, s",
        "map_s": "map of the texts, drawn once, s",
        "resident_mib": "resident memory of the server, MiB",
        "mib_per_further_session": "for each further session, MiB",
    }
    rows += [(label, *(f"{size[name]:,}" for size in sizes)) for name, label in names.items()]
    text = (
        "A warm server, Chromium on the same machine; from the event in the browser to the first view that shows the "
        "answer.\n\n" + table(head, rows)
    )
    beside = results["beside_streamlit"]
    if beside:
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
        text += (
            f"\n\nBeside the lesson's page in Streamlit {beside['streamlit']}, on the projects that ship here, medians "
            f"of {beside['visits']} visits:\n\n" + table(("ms", "Tagscope", "Streamlit", "Streamlit / Tagscope"), both)
        )
    return text
