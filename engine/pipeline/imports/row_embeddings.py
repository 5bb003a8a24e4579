"""The last step of an import: the encoder's vector of every row, kept with the run for the map of the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from config.settings import get_settings
from engine.errors import TagscopeError, TrainingError, reason_of
from engine.pipeline.provenance import environment
from engine.runs.embeddings import EmbeddingsSource, attach_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from engine.pipeline.progress import Progress
    from engine.pipeline.rows import Rows
    from engine.runs.bundle import Bundle
    from engine.runs.tokenizer import Tokenizer
    from engine.training.embeddings import Embedder, EmbeddingCache
    from engine.training.pretrained import Pretrained

STAGE = "Embed rows"
# So many vectors are in memory at once, besides what the cache holds.
_ROWS_AT_ONCE = 50_000


def embedding_cache() -> EmbeddingCache:
    """Return the cache of all imports under this home."""
    from engine.training.embeddings import EmbeddingCache

    return EmbeddingCache(get_settings().home / "data" / "cache" / "embeddings")


def embed_rows(
    bundle: Bundle, pretrained: Pretrained, module: Embedder, tokenizer: Tokenizer, rows: Rows, report: Progress
) -> str:
    """Embed all rows of a run and attach the vectors to it; what the cache has is not computed again.

    Parameters
    ----------
    bundle
        The run, which needs none of this and stays as it is whatever happens.
    pretrained
        Where the encoder came from.
    module, tokenizer
        The encoder, in evaluation mode, and what makes its ids.
    rows
        Of the run, in the order of its data set.
    report
        Called with `STAGE` and the share done.

    Returns
    -------
    str
        Why there are no embeddings, in a sentence; empty where they were attached.
    """
    source = EmbeddingsSource(
        pretrained.name, tokenizer.max_tokens, bundle.manifest.cleaning, bundle.manifest.dataset.digest
    )
    try:
        blocks = _blocks(pretrained, module, tokenizer, rows, report)
        attach_embeddings(bundle, source, blocks, (len(rows.texts), module.width), environment())
    except (TagscopeError, OSError, AttributeError, RuntimeError) as error:
        # The last two: an architecture that gives no vector per token, or too little memory.
        return (
            f"The run is whole, but has no embeddings, so maps of its texts are drawn from words: {reason_of(error)}."
        )
    return ""


def _blocks(
    pretrained: Pretrained, module: Embedder, tokenizer: Tokenizer, rows: Rows, report: Progress
) -> Iterator[NDArray[np.float32]]:
    from engine.training.embeddings import embed

    cache, total = embedding_cache(), len(rows.texts)
    report(STAGE, 0.0)
    for start in range(0, total, _ROWS_AT_ONCE):
        ids = [tokenizer.encode(text) for text in rows.texts[start : start + _ROWS_AT_ONCE]]
        before, own = start / total, len(ids) / total
        vectors = embed(
            module,
            ids,
            encoder=pretrained.digest,
            cache=cache,
            progress=lambda share, before=before, own=own: report(STAGE, before + share * own),  # type: ignore[misc]
        )
        if not np.isfinite(vectors).all():
            raise TrainingError(f"{pretrained.name}: the encoder's answers are not all numbers.")
        yield vectors
    report(STAGE, 1.0)
