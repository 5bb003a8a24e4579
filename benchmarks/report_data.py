"""Sections of docs/benchmarks.md on the data section: findings."""

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
