"""Guard: may two runs be compared, and on what? Its sentences say why not, or what was left out and why."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.evaluation.answers import Answers

_TAGS_SHOWN = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Shared:
    """What two runs share, m rows of it; made by `guard`.

    Parameters
    ----------
    refusal : str
        A sentence that says why they cannot be compared; empty if they can.
    remarks : tuple of str
        Sentences that say on what they are compared, what was left out and why.
    tags : tuple of str
        The tags that both models can give.
    rows_before, rows_after : numpy.ndarray
        int64, shape (m,): positions of the shared rows in the answers of each run.
    true, before, after : numpy.ndarray
        int64, shape (m,): positions in `tags`: the true tag by the newer labels, and both runs' answers, which are
        ``len(tags)`` where only one of the models can give that tag.
    changed : int
        How many of the m rows had another tag in the other labels.
    leaked : int
        How many rows were left out because only one of the two was trained on their text.
    newer_is_after : bool
        Whose labels `true` holds.
    """

    refusal: str
    remarks: tuple[str, ...]
    tags: tuple[str, ...]
    rows_before: np.ndarray
    rows_after: np.ndarray
    true: np.ndarray
    before: np.ndarray
    after: np.ndarray
    changed: int = 0
    leaked: int = 0
    newer_is_after: bool = True

    @property
    def allowed(self) -> bool:
        """Whether they can be compared."""
        return not self.refusal

    def truth(self, answers: Answers, *, after: bool) -> np.ndarray | None:
        """Return the probability that a run gave the true tag: float32, shape (m,); None without probabilities.

        Parameters
        ----------
        answers : Answers
            Those that `guard` was called with.
        after : bool
            Whether it is the later run.
        """
        if answers.probabilities is None:
            return None
        columns = np.array([answers.tags.index(tag) for tag in self.tags], dtype=np.int64)
        rows = self.rows_after if after else self.rows_before
        return np.asarray(answers.probabilities[rows, columns[self.true]])


def guard(before: Answers, after: Answers, *, by_after: bool = False) -> Shared:
    """Say whether two runs may be compared, and on which rows, tags and labels.

    Compared are the rows that both were judged on, whose text is the same, whose tag both models can give, and whose
    text not only one of them was trained on; all by the newer labels. Where no row is left they cannot be compared.

    Parameters
    ----------
    before, after : Answers
        The two runs.
    by_after : bool, optional
        Judge by the labels of `after` also where the other's are newer.

    Returns
    -------
    Shared
        Without rows if it is refused.
    """
    return _Guard(before, after, by_after).shared()


class _Guard:
    """Leaves out row after row and keeps what there is to say about it."""

    def __init__(self, before: Answers, after: Answers, by_after: bool) -> None:
        self._before, self._after, self._by_after = before, after, by_after
        self._runs = (before, after)
        self._rows = (np.empty(0, np.int64), np.empty(0, np.int64))
        self._remarks = [*before.remarks, *(remark for remark in after.remarks if remark not in before.remarks)]

    def shared(self) -> Shared:
        one, other = (f"run {run.run}" for run in self._runs)
        self._rows = matched(self._before.ids, self._after.ids)
        counts = [len(run.ids) for run in self._runs]
        if not self._left:
            return self._refused(
                f"{_capital(one)} and {other} cannot be compared: none of the {counts[0]:,} rows that the one was "
                f"judged on is among the {counts[1]:,} of the other{self._seen()}; train the later one with --parent "
                f"{self._before.run}, so that rows keep their split, or judge both on one --holdout file."
            )
        if counts != [self._left] * 2:
            self._remarks.append(
                f"They were judged on different rows: compared are the {self._left:,} that both were judged on, of "
                f"{counts[0]:,} of {one} and {counts[1]:,} of {other}{self._seen()}."
            )
        if not self._same_texts():
            return self._refused(
                f"{_capital(one)} and {other} cannot be compared: they share {self._left:,} ids, but each stands for "
                "another text in the other's data; choose two runs on the same data."
            )
        tags = tuple(tag for tag in self._after.labels if tag in set(self._before.labels))
        codes = [_recoded(run, tags)[0][rows] for run, rows in zip(self._runs, self._rows, strict=True)]
        both = (codes[0] < len(tags)) & (codes[1] < len(tags))
        if not self._same_tags(tags, int(both.sum())):
            return self._refused(
                f"{_capital(one)} and {other} cannot be compared: no row has a tag that both models can give; the tags "
                f"of the one are {_listed(self._before.labels)}, those of the other {_listed(self._after.labels)}."
            )
        self._keep(both)
        leaked = self._leaked()
        if leaked.all():
            return self._refused(
                f"{_capital(one)} and {other} cannot be compared: one of them was trained on the text of every row "
                "that both were judged on, so it would know the answers; choose two runs whose held-out rows are new "
                "to both."
            )
        self._keep(~leaked)
        return self._allowed(tags, int(leaked.sum()))

    def _allowed(self, tags: tuple[str, ...], leaked: int) -> Shared:
        recoded = [_recoded(run, tags) for run in self._runs]
        labels = [codes[0][rows] for codes, rows in zip(recoded, self._rows, strict=True)]
        newer = int(self._after.labelled >= self._before.labelled)
        judge = 1 if self._by_after else newer
        changed = int((labels[0] != labels[1]).sum())
        if changed:
            version = self._runs[judge].version
            of = f" (version {version})" if version else ""
            those = "those" if judge == newer else "the older ones"
            self._remarks.append(
                f"{changed:,} of the {self._left:,} rows {'has' if changed == 1 else 'have'} another tag in the newer "
                f"labels; both runs are judged by {those}, of run {self._runs[judge].run}{of}."
            )
        return Shared(
            refusal="",
            remarks=tuple(self._remarks),
            tags=tags,
            rows_before=self._rows[0],
            rows_after=self._rows[1],
            true=labels[judge],
            before=recoded[0][1][self._rows[0]],
            after=recoded[1][1][self._rows[1]],
            changed=changed,
            leaked=leaked,
            newer_is_after=bool(judge),
        )

    @property
    def _left(self) -> int:
        return len(self._rows[0])

    def _keep(self, mask: np.ndarray) -> None:
        self._rows = (self._rows[0][mask], self._rows[1][mask])

    def _refused(self, sentence: str) -> Shared:
        none = np.empty(0, dtype=np.int64)
        return Shared(sentence, tuple(self._remarks), (), none, none, none, none, none)

    def _seen(self) -> str:
        """Say how many rows that the one was judged on the other was trained on."""
        told = []
        for run, other in (self._runs, self._runs[::-1]):
            if other.trained is not None and (count := int(pd.Index(run.ids).isin(other.trained).sum())):
                told.append(f"run {other.run} was trained on {count:,} of those of run {run.run}")
        return f" ({' and '.join(told)})" if told else ""

    def _same_texts(self) -> bool:
        """Leave out rows whose id stands for another text in the other data; return whether any are left."""
        if self._before.dataset == self._after.dataset and self._before.dataset:
            return True
        texts = [run.texts for run in self._runs]
        if texts[0] is None or texts[1] is None:
            self._remarks.append(
                "Whether their ids stand for the same texts cannot be checked, because a data set is not here."
            )
            return True
        same = texts[0][self._rows[0]] == texts[1][self._rows[1]]
        if not same.any():
            return False
        if lost := int((~same).sum()):
            self._remarks.append(
                f"{lost:,} {'row was' if lost == 1 else 'rows were'} left out, because the text was changed between "
                "the two versions of the data."
            )
        self._keep(same)
        return True

    def _same_tags(self, tags: Sequence[str], left: int) -> bool:
        """Say which tags only one of the models has, and how many rows that costs; return whether any are left."""
        if not left:
            return False
        for run in self._runs:
            if extra := [tag for tag in run.labels if tag not in tags]:
                self._remarks.append(
                    f"Only run {run.run} has the {'tag' if len(extra) == 1 else 'tags'} {_listed(extra)}; where it "
                    f"gives {'it' if len(extra) == 1 else 'one of them'} to a compared row, it is wrong."
                )
        if lost := self._left - left:
            self._remarks.append(
                f"{lost:,} {'row was' if lost == 1 else 'rows were'} left out, because not both models can give "
                "the tag."
            )
        return True

    def _leaked(self) -> np.ndarray:
        """Return of which rows only one of the two was trained on the text."""
        none = np.zeros(self._left, dtype=bool)
        seen = []
        for run, rows in zip(self._runs, self._rows, strict=True):
            if run.trained is None:
                self._remarks.append(
                    f"Run {run.run} was trained elsewhere, and nobody knows here on which rows: those that it has seen "
                    "make it look better than it is."
                )
            elif run.seen is None:
                self._remarks.append(
                    f"Whether run {run.run} was trained on a text that it was judged on cannot be checked, because its "
                    "data set is not here."
                )
            else:
                seen.append(run.seen[rows])
        if len(seen) < 2:
            # What the other one has seen is not known, so nothing would be fairer without these rows.
            if seen and (count := int(seen[0].sum())):
                self._remarks.append(
                    f"The other run was trained on the text of {count:,} of the rows: on new texts it does worse."
                )
            return none
        if both := int((seen[0] & seen[1]).sum()):
            self._remarks.append(
                f"Both were trained on the text of {both:,} of the rows, under another id: on new texts both do worse."
            )
        leaked = np.asarray(seen[0] ^ seen[1])
        if lost := int(leaked.sum()):
            self._remarks.append(
                f"{lost:,} {'row was' if lost == 1 else 'rows were'} left out, because only one of the two was trained "
                "on the text and so knew the answer."
            )
        return leaked


def matched(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the ids that are in both, in the order of `after`: int64, shape (m,) each.

    Parameters
    ----------
    before, after : numpy.ndarray
        object of str, the ids in each all different.
    """
    # Most runs are judged on the same rows in the same order, which is far quicker to see than to look up.
    if len(before) == len(after) and bool((before == after).all()):
        everything = np.arange(len(after), dtype=np.int64)
        return everything, everything
    found = pd.Index(before).get_indexer(pd.Index(after)).astype(np.int64)
    rows = np.flatnonzero(found >= 0)
    return found[rows], rows


def _recoded(run: Answers, tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return a run's true and predicted tags as positions in `tags`."""
    places = {tag: code for code, tag in enumerate(tags)}
    table = np.array([places.get(tag, len(tags)) for tag in run.tags] + [len(tags)], dtype=np.int64)
    return table[run.true], table[run.predicted]


def _listed(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - _TAGS_SHOWN} more" if len(tags) > _TAGS_SHOWN else ""
    return ", ".join(repr(tag) for tag in tags[:_TAGS_SHOWN]) + more


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
