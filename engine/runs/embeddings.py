"""Embeddings of the rows that a run was judged on, attached to it: a vector per row, as its encoder gave them.

The attachment `embeddings` holds `vectors.npy`, float16 [rows, width] in NumPy's own format, read without pickle and
mapped from the disk; its parameters name what decides on the vectors.
"""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from engine.errors import BundleError, reason_of
from engine.runs.attachments import has_attachment, read_attachment, read_attachment_manifest, writing_attachment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from engine.runs.bundle import Bundle

EMBEDDINGS_NAME = "embeddings"
VECTORS_NAME = "vectors.npy"
_TYPE = np.dtype("<f2")
# What NumPy raises where the head of a file is not one that it wrote.
_NO_TABLE = (OSError, ValueError, EOFError, TypeError, OverflowError, tokenize.TokenError)
_REMEDY = f"remove the folder {EMBEDDINGS_NAME} and import the encoder again"


class EmbeddingsSource(msgspec.Struct, frozen=True):
    """What decides on the embeddings of a data set.

    Attributes
    ----------
    encoder
        What people call it.
    max_tokens
        Where its texts were cut.
    cleaning
        The steps that the texts went through before.
    dataset
        Digest of the data set, whose rows the vectors are of, in their order.
    """

    encoder: str
    max_tokens: int
    cleaning: tuple[str, ...]
    dataset: str


@dataclass(frozen=True)
class AttachedEmbeddings:
    """The embeddings of a run as they describe themselves; nobody has looked at the vectors yet.

    Attributes
    ----------
    bundle
        The run.
    source
        What decides on them.
    digest
        Sha256 of the file of vectors.
    """

    bundle: Bundle
    source: EmbeddingsSource
    digest: str

    def vectors(self, rows: int) -> NDArray[np.float16]:
        """Check the file against its digest, and map it.

        Parameters
        ----------
        rows
            How many rows the data set has.

        Returns
        -------
        numpy.ndarray
            float16 [rows, width], read from the disk where it is looked at.

        Raises
        ------
        engine.errors.BundleError
            The file is damaged, or holds something else than a vector per row.
        """
        attachment = read_attachment(self.bundle, EMBEDDINGS_NAME)
        path = attachment.path / VECTORS_NAME
        if attachment.manifest.files.get(VECTORS_NAME) != self.digest:
            raise BundleError(f"{path}: the embeddings were replaced meanwhile; load this page again.")
        try:
            # As `np.load` without pickle does, but of no archive.
            found: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
        except _NO_TABLE as error:
            raise BundleError(f"{path}: no table of numbers ({reason_of(error)}); {_REMEDY}.") from None
        if found.dtype != _TYPE or found.ndim != 2 or not found.shape[1] or len(found) != rows:
            shape = " x ".join(f"{size:,}" for size in found.shape)
            raise BundleError(
                f"{path}: holds {shape} numbers of type {found.dtype}, not a float16 vector for each of the {rows:,} "
                f"rows; {_REMEDY}."
            )
        return found


def find_embeddings(bundle: Bundle) -> AttachedEmbeddings | None:
    """Return what a run's embeddings say of themselves, None where it has none; the vectors are not read.

    Raises
    ------
    engine.errors.BundleError
        They do not describe themselves, or are of another data set than that of the run.
    """
    if not has_attachment(bundle, EMBEDDINGS_NAME):
        return None
    manifest = read_attachment_manifest(bundle, EMBEDDINGS_NAME)
    where = f"The embeddings of run {bundle.run_id}"
    try:
        source = msgspec.convert(manifest.parameters, type=EmbeddingsSource)
    except msgspec.ValidationError as error:
        raise BundleError(f"{where} do not say what they were made of ({reason_of(error)}); {_REMEDY}.") from None
    if manifest.kind != EMBEDDINGS_NAME or VECTORS_NAME not in manifest.files:
        raise BundleError(f"{where} have no file {VECTORS_NAME}; {_REMEDY}.")
    if source.dataset != bundle.manifest.dataset.digest:
        raise BundleError(f"{where} are those of another data set; {_REMEDY}.")
    return AttachedEmbeddings(bundle, source, manifest.files[VECTORS_NAME])


def attach_embeddings(
    bundle: Bundle,
    source: EmbeddingsSource,
    blocks: Iterable[NDArray[np.float32]],
    shape: tuple[int, int],
    environment: Mapping[str, Any],
) -> None:
    """Attach embeddings to a run; those that it has are replaced.

    Parameters
    ----------
    bundle
        The run.
    source
        What decides on them.
    blocks
        The vectors of all rows, in their order: each float32 [some rows, width]. Never more than one is in memory.
    shape
        Rows and width of all together.
    environment
        With what they were computed, fit for JSON.

    Raises
    ------
    engine.errors.BundleError
        The disk cannot be written; the run has what it had before.
    """
    parameters = msgspec.to_builtins(source)
    with writing_attachment(bundle, EMBEDDINGS_NAME, EMBEDDINGS_NAME, parameters, environment, replace=True) as folder:
        rows = 0
        # Not a map: where a disk is full, writing to one ends the process.
        with (folder / VECTORS_NAME).open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(_TYPE), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for block in blocks:
                rows += len(block)
                file.write(block.astype(_TYPE).tobytes())
        if rows != shape[0]:
            raise ValueError(f"{rows} vectors were given, not {shape[0]}")
