"""Vocabularies made from the training texts: whole words for `ngram`, sub-words for `cnn`."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from engine.runs.tokenizer import SubwordTokenizer, WordTokenizer, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PAD_TOKEN = "[PAD]"
UNKNOWN_TOKEN = "[UNK]"


def word_tokenizer(texts: Sequence[str], *, max_words: int, max_tokens: int) -> WordTokenizer:
    """Make a word tokenizer that knows the most frequent words of some texts.

    Parameters
    ----------
    texts
        Cleaned training texts.
    max_words
        At most so many words are known; the others become the unknown id.
    max_tokens
        Texts are cut after so many tokens, here and when serving.

    Returns
    -------
    engine.runs.tokenizer.WordTokenizer
        Its words stand in falling frequency, equal ones in code point order, so that the same texts in any
        order give the same file.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text)[:max_tokens])
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return WordTokenizer(ordered[:max_words], max_tokens)


def subword_tokenizer(texts: Sequence[str], *, size: int, max_tokens: int) -> SubwordTokenizer:
    """Train a byte-level BPE on some texts: any text in any language has tokens, none is unknown.

    Parameters
    ----------
    texts
        Cleaned training texts.
    size
        Number of ids to aim for; fewer come out where the texts have fewer repeated pairs. The 256 bytes and
        the two special tokens are always there.
    max_tokens
        Texts are cut after so many tokens, here and when serving.

    Returns
    -------
    engine.runs.tokenizer.SubwordTokenizer
        Id 0 pads.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=[PAD_TOKEN, UNKNOWN_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    # The trainer also lists the special tokens as pieces of text to look out for: a title that spells "[PAD]" would
    # then become padding. Without that list their ids stay taken, and no text leads to them.
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(content))
    return SubwordTokenizer(tokenizer, max_tokens)
