"""Embeddings of a run: as they were given to float16, of its own rows, or refused by a sentence."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from engine.errors import BundleError
from engine.runs.attachments import attachments, writing_attachment
from engine.runs.embeddings import EmbeddingsSource, attach_embeddings, find_embeddings
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.runs.bundle import Bundle

ROWS, WIDTH = 7, 5
VECTORS = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)


@pytest.fixture
def bundle(demo_home: Path) -> Bundle:
    store = DirectoryStore(demo_home / "data" / "runs", demo_home / "config")
    found = store.open(str(store.promoted()))
    shutil.rmtree(found.path / "attachments", ignore_errors=True)
    return found


def source_of(bundle: Bundle, **other: Any) -> EmbeddingsSource:
    named = {"encoder": "tiny", "max_tokens": 32, "cleaning": ("a", "b"), "dataset": bundle.manifest.dataset.digest}
    return EmbeddingsSource(**{**named, **other})


def attach(bundle: Bundle, shape: tuple[int, int] = (ROWS, WIDTH), **other: Any) -> None:
    attach_embeddings(bundle, source_of(bundle, **other), iter([VECTORS[:4], VECTORS[4:]]), shape, {"cpu": "this"})


def attach_file(bundle: Bundle, content: Any) -> None:
    """Attach something else, with its right digest."""
    parameters = {"encoder": "tiny", "max_tokens": 1, "cleaning": [], "dataset": bundle.manifest.dataset.digest}
    with writing_attachment(bundle, "embeddings", "embeddings", parameters, {}, replace=True) as folder:
        if isinstance(content, bytes):
            (folder / "vectors.npy").write_bytes(content)
        else:
            with (folder / "vectors.npy").open("wb") as file:
                np.save(file, content, allow_pickle=True)


def test_what_was_given_in_blocks_is_read_without_being_copied(bundle: Bundle) -> None:
    assert find_embeddings(bundle) is None
    attach(bundle)
    found = find_embeddings(bundle)
    assert found.source == source_of(bundle)
    vectors = found.vectors(ROWS)
    assert isinstance(vectors, np.memmap)
    assert (vectors.dtype, vectors.shape) == (np.float16, (ROWS, WIDTH))
    assert np.array_equal(vectors, VECTORS.astype(np.float16))
    plain = np.load(next(bundle.path.glob("attachments/embeddings/*/vectors.npy")), allow_pickle=False)
    assert np.array_equal(vectors, plain)
    first = found.digest
    attach(bundle)
    assert find_embeddings(bundle).digest == first  # the same vectors, the same map
    assert np.array_equal(find_embeddings(bundle).vectors(ROWS), vectors)


def test_another_number_of_rows_is_refused(bundle: Bundle) -> None:
    attach(bundle)
    with pytest.raises(BundleError, match=r"7 x 5 numbers of type float16, not .* each of the 1,000 rows; remove the"):
        find_embeddings(bundle).vectors(1_000)
    with pytest.raises(ValueError, match="7 vectors were given, not 8"):
        attach(bundle, (8, WIDTH))


def test_a_file_that_was_changed_is_refused_before_it_is_looked_at(bundle: Bundle) -> None:
    attach(bundle)
    found = find_embeddings(bundle)
    path = next(bundle.path.glob("attachments/embeddings/*/vectors.npy"))
    path.write_bytes(path.read_bytes()[:-2] + b"ab")
    with pytest.raises(BundleError, match="was changed after it was written"):
        found.vectors(ROWS)
    path.unlink()
    with pytest.raises(BundleError, match="lacks this file"):
        found.vectors(ROWS)
    attach_file(bundle, VECTORS.astype(np.float16))
    attach_file(bundle, -VECTORS.astype(np.float16))
    with pytest.raises(BundleError, match="replaced meanwhile"):
        found.vectors(ROWS)


HEAD = b"\x93NUMPY\x01\x00\x76\x00"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no table",
        b"PK\x03\x04 an archive",
        VECTORS,
        VECTORS.astype(">f2"),
        VECTORS[0].astype(np.float16),
        np.zeros((ROWS, 0), np.float16),
        np.array([{"an": "object"}] * ROWS),
        HEAD + b"((((".ljust(117) + b"\n",
        HEAD + b"{[]: 1}".ljust(117) + b"\n",
        HEAD + b"{'descr': '<f2', 'fortran_order': False, 'shape': (%d, 3)}".ljust(117) % 10**30 + b"\n",
        HEAD + b"{'descr': '<f2', 'fortran_order': False, 'shape': (7, 900)}".ljust(117) + b"\n",
    ],
)
def test_a_file_that_holds_something_else_is_one_sentence(bundle: Bundle, content: Any) -> None:
    attach_file(bundle, content)
    with pytest.raises(BundleError, match="remove the folder embeddings and import the encoder again") as caught:
        find_embeddings(bundle).vectors(ROWS)
    assert "\n" not in str(caught.value)


def rewrite(bundle: Bundle, **changes: Any) -> None:
    path = bundle.path / "attachments" / "embeddings" / "attachment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {}}, "do not say what they were made of"),
        ({"parameters": {"encoder": 1, "max_tokens": 1, "cleaning": [], "dataset": ""}}, "do not say what"),
        ({"files": {}}, r"have no file vectors\.npy"),
        ({"kind": "parity"}, r"have no file vectors\.npy"),
        ({"model_digest": "0" * 64}, "belongs to another model"),
        ({"schema_version": 9}, "schema version 9"),
    ],
)
def test_embeddings_that_do_not_describe_themselves_are_one_sentence(bundle: Bundle, changes: Any, words: str) -> None:
    attach(bundle)
    rewrite(bundle, **changes)
    with pytest.raises(BundleError, match=words) as caught:
        find_embeddings(bundle)
    assert "\n" not in str(caught.value)


def test_those_of_another_data_set_are_refused(bundle: Bundle) -> None:
    attach(bundle, dataset="0" * 32)
    with pytest.raises(BundleError, match="are those of another data set"):
        find_embeddings(bundle)


def test_an_encoder_that_fails_half_way_leaves_nothing(bundle: Bundle) -> None:
    def blocks() -> Iterator[np.ndarray]:
        yield VECTORS[:3]
        raise BundleError("half way")

    with pytest.raises(BundleError, match="half way"):
        attach_embeddings(bundle, source_of(bundle), blocks(), (ROWS, WIDTH), {})
    assert attachments(bundle) == []
    assert find_embeddings(bundle) is None
