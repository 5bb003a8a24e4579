"""Tokenizers as they stand in a run bundle: a text goes in, token ids come out.

Two formats, one interface: our own word list for `ngram` (one compiled regular expression and a dictionary
look-up; several times faster per text than a general tokenizer) and Hugging Face `tokenizer.json` for the rest.
No torch, no pandas: serving imports this.
"""

from __future__ import annotations

import json
import re
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

PAD_ID = 0
UNKNOWN_ID = 1
FIRST_WORD_ID = 2

# Scripts written without spaces (Thai, Lao, Burmese, Khmer, Japanese, Chinese) and pictographs: each character is
# a token of its own, and the model's bigrams join neighbours again.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001f300-\U0001faff\U00020000-\U0003134f"
)
# What ends a word: white space and punctuation. Written as an exclusion, so that combining marks (which `\w` does
# not match) stay inside their word in Hindi, Arabic, Hebrew and decomposed Latin text.
_BREAKS = (
    r"\s\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7\u02c2-\u02c5\u02d2-\u02df\u037e\u0387"
    r"\u055a-\u055f\u0589\u05be\u05c0\u05c3\u05f3\u05f4\u0609-\u060d\u061b-\u061f\u066a-\u066d\u06d4\u0964\u0965"
    r"\u2000-\u206f\u20a0-\u20cf\u2190-\u245f\u2500-\u2bff\u2e00-\u2e2e\u2e30-\u2e7f\u3000-\u3004\u3008-\u3030\u303d-\u303f\ufe00-\ufe0f\ufe10-\ufe6f\uff00-\uff0f"
    r"\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufff0-\uffff"
)
WORD_PATTERN = re.compile(f"[{_UNSPACED}]|[^{_BREAKS}{_UNSPACED}]+")
# The same for ASCII, four times as fast: letters in lower case, digits, and a space for everything else.
_ASCII = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words; scripts without spaces give one word per character.

    Parameters
    ----------
    text
        Any text; cleaning has been done before.

    Returns
    -------
    list of str
        Possibly empty.
    """
    if text.isascii():
        return text.translate(_ASCII).split()
    return WORD_PATTERN.findall(text.lower())


class Tokenizer(Protocol):
    """What a model's tokenizer offers to training, export and inference."""

    format: str
    max_tokens: int

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding and unknown included; every id is smaller."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of a text: at least one, at most `max_tokens`; never the padding id."""
        ...

    def save(self, path: Path) -> None:
        """Write the file that `load_tokenizer` reads."""
        ...


class WordTokenizer:
    """Word-level tokenizer: id 0 pads, id 1 is any unknown word, known words count from 2.

    Parameters
    ----------
    words
        Known words, lower case, in the order of their ids.
    max_tokens
        Further tokens of a text are cut off.
    """

    format = "tagscope-words"
    _VERSION = 1

    def __init__(self, words: list[str], max_tokens: int) -> None:
        self.words = list(words)
        self.max_tokens = max_tokens
        self._ids = {word: index for index, word in enumerate(self.words, start=FIRST_WORD_ID)}
        if len(self._ids) != len(self.words):
            raise ValueError("the words of a vocabulary differ from each other")

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding and unknown included."""
        return len(self.words) + FIRST_WORD_ID

    def encode(self, text: str) -> list[int]:
        """Token ids of a text: at least one (unknown, when it has no word), at most `max_tokens`."""
        found = list(map(self._ids.get, words_of(text), repeat(UNKNOWN_ID)))
        return found[: self.max_tokens] or [UNKNOWN_ID]

    def save(self, path: Path) -> None:
        """Write the word list as JSON (UTF-8)."""
        content = {"format": self.format, "version": self._VERSION, "words": self.words}
        path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, max_tokens: int) -> WordTokenizer:
        """Read what `save` wrote.

        Raises
        ------
        engine.errors.BundleError
            The file is not such a word list, or of a later version.
        """
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: cannot be read ({error}); train or fetch the run again.") from None
        known = isinstance(content, dict) and content.get("format") == cls.format
        words = content.get("words") if known else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise BundleError(f"{path}: this is not a word list of Tagscope; train or fetch the run again.")
        if content.get("version") != cls._VERSION:
            raise BundleError(
                f"{path}: the word list has version {content.get('version')}, this Tagscope reads {cls._VERSION}; "
                "install the Tagscope that made the run."
            )
        return cls(words, max_tokens)


class SubwordTokenizer:
    """Sub-word tokenizer in the format of Hugging Face `tokenizers`; in those trained here id 0 pads.

    Parameters
    ----------
    tokenizer
        A `tokenizers.Tokenizer`.
    max_tokens
        Further tokens of a text are cut off.
    """

    format = "huggingface"

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        tokenizer.no_padding()
        # The word "[PAD]" in a text is a text; this flag is not kept in `tokenizer.json`.
        tokenizer.encode_special_tokens = True
        # Some models read the end of a long text: which end is cut stands in the tokenizer.
        direction = (tokenizer.truncation or {}).get("direction", "right")
        tokenizer.enable_truncation(max_tokens, direction=direction)
        unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")
        self._nothing = [UNKNOWN_ID if unknown is None else unknown]
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, special tokens included."""
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text: at least one (unknown, when it has no token), at most `max_tokens`."""
        return self.tokenizer.encode(text).ids or list(self._nothing)

    def save(self, path: Path) -> None:
        """Write `tokenizer.json`."""
        self.tokenizer.save(str(path), pretty=False)

    @classmethod
    def load(cls, path: Path, max_tokens: int) -> SubwordTokenizer:
        """Read a `tokenizer.json`.

        Raises
        ------
        engine.errors.BundleError
            The file is not a tokenizer.
        """
        from tokenizers import Tokenizer as HuggingFaceTokenizer

        try:
            content = path.read_text(encoding="utf-8")
            tokenizer = HuggingFaceTokenizer.from_str(content)
        except Exception as error:  # noqa: BLE001 - the Rust library raises bare Exception
            raise BundleError(f"{path}: cannot be read ({error}); train or fetch the run again.") from None
        return cls(tokenizer, max_tokens)


_FORMATS: dict[str, type[WordTokenizer] | type[SubwordTokenizer]] = {
    WordTokenizer.format: WordTokenizer,
    SubwordTokenizer.format: SubwordTokenizer,
}


def load_tokenizer(path: Path, tokenizer_format: str, max_tokens: int) -> Tokenizer:
    """Read a bundle's tokenizer.

    Parameters
    ----------
    path
        The bundle's `tokenizer.json`.
    tokenizer_format
        As `run.json` names it: `tagscope-words` or `huggingface`.
    max_tokens
        Texts are cut after so many tokens.

    Raises
    ------
    engine.errors.BundleError
        The format is unknown, or the file is not of that format.
    """
    try:
        loader = _FORMATS[tokenizer_format]
    except KeyError:
        raise BundleError(
            f"{path}: unknown tokenizer format {tokenizer_format!r} (known: {', '.join(_FORMATS)}); install the "
            "Tagscope that made the run."
        ) from None
    return loader.load(path, max_tokens)
