"""What a command says of the run that it made, however it made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.console import err, out, print_left_out, print_performance

if TYPE_CHECKING:
    from pathlib import Path

    from engine.pipeline.run import TrainResult


def print_outcome(result: TrainResult, data: Path, *, promote: bool = False) -> None:
    """Print what was left out, what became `other`, what is unusual, how good the run is, and its id.

    Parameters
    ----------
    result
        Of the run that was made.
    data
        The file with its rows.
    promote
        Make it the promoted run.
    """
    from engine.runs.store import open_store

    manifest = result.manifest
    print_left_out(result.left_out, str(data))
    for tag, count in manifest.mapped_tags.items():
        out.print(f"Tag {tag!r} became `other`: {count:,} row{'' if count == 1 else 's'}.", markup=False)
    for remark in (*manifest.parameters.get("source", {}).get("remarks", ()), *result.remarks):
        err.print(remark, style="yellow", markup=False)
    print_performance(result.performance)
    elsewhere = manifest.parameters.get("training", {}).get("trained_elsewhere")
    if elsewhere and (doubt := _doubt(result.performance)):
        err.print(doubt, style="yellow", markup=False)
    out.print(f"Run {manifest.run_id}", markup=False)
    if promote:
        open_store().promote(manifest.run_id)
        out.print("It is the promoted run now.")
    elif manifest.model_digest:
        out.print(f"Promote it with: tagscope promote {manifest.run_id}", markup=False)
    else:
        out.print("It has no model: look at it with `tagscope dashboard`; it cannot be promoted.")


def _doubt(performance: dict[str, Any]) -> str:
    """Say so where guessing beats a finished model, by more than chance: then something is not what it learnt with."""
    sizes = {tag: scores["num_samples"] for tag, scores in performance["class"].items()}
    commonest = max(sizes, key=lambda tag: sizes[tag])
    total = performance["overall"]["num_samples"]
    # Weighted by the tags' rows, recall is the share of answers that are right; its error is at most half of this.
    right, guess, chance = performance["overall"]["recall"], sizes[commonest] / total, total**-0.5
    if right >= guess - chance:
        return ""
    return (
        f"It is right for {right:.1%} of the texts, and always saying {commonest!r} would be for {guess:.1%}: check "
        "that the labels, their order, the tokenizer and the columns are those that the model learnt with."
    )
