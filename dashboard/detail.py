"""Everything that is known of one row: its text, cleaned and in tokens, its neighbours, findings and predictions."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dashboard.text import sentence_of
from engine.dataset.problems import quoted
from engine.errors import TagscopeError
from engine.exploration.filter import FilterError
from engine.runs.predictions import PROBABILITY_PREFIX

if TYPE_CHECKING:
    from dashboard.catalogue import Catalogue
    from dashboard.samples import Samples
    from engine.exploration.explorer import Explorer
    from engine.runs.bundle import Bundle
    from engine.runs.tokenizer import Tokenizer

NEIGHBOURS = 6
MOST_TOKENS = 3_000
OTHER_VERSION = "another version of the data"


class Token(msgspec.Struct, frozen=True):
    """One token: its text, whether the model knows it, and whether it is cut off."""

    text: str
    known: bool = True
    cut: bool = False


class Near(msgspec.Struct, frozen=True):
    """A similar row: its id, tag and text, and the cosine between both."""

    id: str
    tag: str
    text: str
    similarity: float


class Remark(msgspec.Struct, frozen=True):
    """What one finding says of the row."""

    title: str
    note: str
    other_id: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What one run answered for the row; `probability` is that of the predicted tag.

    `remark` says so where the run had another version of the data, in which the row may read differently.
    """

    run: str
    split: str
    predicted: str
    probability: float | None
    correct: bool | None
    remark: str = ""


class Detail(msgspec.Struct, frozen=True):
    """One row of `num_rows`. `tokens` is None where the run has no tokenizer; `sentence` then says why."""

    id: str
    position: int
    num_rows: int
    line: int
    tag: str
    created: str
    fields: tuple[tuple[str, str], ...]
    raw: str
    cleaned: str
    tokens: tuple[Token, ...] | None
    token_limit: int
    sentence: str
    near: tuple[Near, ...] | None
    method: str
    remarks: tuple[Remark, ...] | None
    answers: tuple[Answer, ...]


def read_detail(catalogue: Catalogue, samples: Samples, run_id: str, row_id: str) -> Detail:
    """Gather what is known of a row; takes some milliseconds to some hundred, so it belongs in a thread.

    Parameters
    ----------
    catalogue
        For the answers of all runs.
    samples
        The data set.
    run_id
        The run on show, whose cleaning and tokenizer count; its answer comes first.
    row_id
        Id of the row.

    Raises
    ------
    engine.exploration.filter.FilterError
        The data set has no such row.
    """
    from engine.dataset.cleaning import DEFAULT_STEPS, clean

    explorer = samples.explorer
    position = _position(explorer, row_id)
    row = explorer.rows([position]).iloc[0]
    fields = samples.dataset.fields
    raw = str(row["text"])
    bundle = samples.bundle
    cleaned = clean(raw, DEFAULT_STEPS if bundle is None else bundle.manifest.cleaning)
    tokens, limit, sentence = _tokens(bundle, cleaned)
    near, method = _near(samples, position)
    return Detail(
        id=row_id,
        position=position,
        num_rows=len(explorer.table),
        line=int(row["row"]),
        tag=_text(row["tag"]),
        created="" if row.isna()["created"] else f"{row['created']:%Y-%m-%d}",
        fields=tuple((samples.titles[name], _text(row[name])) for name in fields.text_columns),
        raw=raw,
        cleaned=cleaned,
        tokens=tokens,
        token_limit=limit,
        sentence=sentence,
        near=near,
        method=method,
        remarks=_remarks(samples, position),
        answers=tuple(_answers(catalogue, samples, run_id, row_id)),
    )


def tokens_of(tokenizer: Tokenizer, text: str) -> tuple[Token, ...]:
    """Split a cleaned text as a run's model does, the part that it does not see included.

    Parameters
    ----------
    tokenizer
        Of the run.
    text
        Cleaned.
    """
    from engine.runs.tokenizer import UNKNOWN_ID, SubwordTokenizer, WordTokenizer, words_of

    limit = tokenizer.max_tokens
    if isinstance(tokenizer, WordTokenizer):
        ids, words = tokenizer.encode(text), words_of(text)
        kept = [Token(word, number != UNKNOWN_ID) for word, number in zip(words, ids, strict=False)]
        return (*kept, *(Token(word, cut=True) for word in words[limit:]))
    if isinstance(tokenizer, SubwordTokenizer):
        encoding = tokenizer.tokenizer.encode(text)
        unknown = getattr(tokenizer.tokenizer.model, "unk_token", None)
        kept = [Token(token, token != unknown) for token in encoding.tokens]
        rest = [Token(token, cut=True) for more in encoding.overflowing for token in more.tokens]
        cut_left = (tokenizer.tokenizer.truncation or {}).get("direction") == "left"
        return tuple([*rest, *kept] if cut_left else [*kept, *rest])
    return tuple(Token(str(number)) for number in tokenizer.encode(text))


def _position(explorer: Explorer, row_id: str) -> int:
    """Return where a row is. A filter by id would find it, too, and put a mask into the cache for each row opened."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with contextlib.suppress(UnicodeEncodeError):  # as of a broken link
        position = pc.index(explorer.table.strings["id"], pa.scalar(row_id, pa.large_string())).as_py()
        if position >= 0:
            return int(position)
    raise FilterError(f"The data has no row with the id {quoted(row_id)}; it may be of another version.")


def _tokens(bundle: Bundle | None, cleaned: str) -> tuple[tuple[Token, ...] | None, int, str]:
    if bundle is None:
        return None, 0, "Tokens are those of a run; there is none for this data yet."
    try:
        tokenizer = bundle.tokenizer()
    except TagscopeError as error:
        return None, 0, sentence_of(error)
    return tokens_of(tokenizer, cleaned), tokenizer.max_tokens, ""


def _near(samples: Samples, position: int) -> tuple[tuple[Near, ...] | None, str]:
    drawn = samples.map.value
    if drawn is None:
        return None, ""
    explorer = samples.explorer
    found = drawn.neighbours(position, NEIGHBOURS, explorer.table.tag)
    rows = explorer.rows([one.position for one in found], ["id", "text"])
    texts = zip(found, rows["id"], rows["text"], strict=True)
    # What follows the last semicolon is how the points were laid out; every row is compared with all others.
    method = drawn.info.method.rsplit("; ", 1)[0]
    return tuple(Near(_text(id), one.tag or "", _text(text), one.similarity) for one, id, text in texts), method


def _remarks(samples: Samples, position: int) -> tuple[Remark, ...] | None:
    found = samples.findings.value
    if found is None:
        return None
    remarks = []
    masks = samples.explorer.table.findings
    for item in found.items:
        if item.kind not in masks or not masks[item.kind].rows[position]:
            continue
        with contextlib.suppress(TagscopeError):
            rows = found.source.rows(item.kind)
            row = rows.iloc[int(np.flatnonzero(rows["position"].to_numpy() == position)[0])]
            parts = [
                f"Proposed tag: {row['proposed_tag']}." if _text(row["proposed_tag"]) else "",
                _text(row["note"]),
            ]
            remarks.append(Remark(item.title, " ".join(part for part in parts if part), _text(row["other_id"])))
    return tuple(remarks)


def _answers(catalogue: Catalogue, samples: Samples, run_id: str, row_id: str) -> list[Answer]:
    answers = []
    for entry in sorted(catalogue.runs(), key=lambda entry: entry.run_id != run_id):
        trained_on = entry.manifest.dataset
        same = trained_on.digest == samples.digest
        if not same and trained_on.name != samples.dataset.name:
            continue  # the same id is another row there
        # A damaged run says so where it is shown itself.
        with contextlib.suppress(TagscopeError):
            row = _prediction(catalogue.store.open(entry.run_id), row_id)
            if row is None:
                continue
            predicted, tag = _text(row["predicted_tag"]), _text(row["tag"])
            probability = row.get(f"{PROBABILITY_PREFIX}{predicted}")
            answers.append(
                Answer(
                    entry.label,
                    _text(row["split"]),
                    predicted,
                    None if probability is None else float(probability),
                    predicted == tag if tag else None,
                    "" if same else OTHER_VERSION,
                )
            )
    return answers


def _prediction(bundle: Bundle, row_id: str) -> dict[str, Any] | None:
    """Return one row of a run's predictions, without keeping the others in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_table(bundle.predictions_path(), filters=[("id", "=", row_id)])
    except (OSError, pa.ArrowException):
        return None
    rows: list[dict[str, Any]] = found.slice(0, 1).to_pylist()
    return rows[0] if rows else None


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)
