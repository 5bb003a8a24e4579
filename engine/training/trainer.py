"""The door to training: texts and tag numbers in, a `TrainedModel` out, whatever the model's name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from engine.errors import BundleError, TrainingError
from engine.training.calibration import fit_sharpness
from engine.training.cnn import TextCnn
from engine.training.encoder import EncoderClassifier, SequenceClassifier
from engine.training.factory import make_module
from engine.training.learning import learn
from engine.training.ngram import NgramClassifier
from engine.training.options import CnnOptions, NgramOptions, read_options
from engine.training.padding import logits_of
from engine.training.vocabulary import subword_tokenizer, word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from engine.runs.tokenizer import Tokenizer


@dataclass
class TrainedModel:
    """A trained module and what belongs to it.

    Attributes
    ----------
    name
        `ngram`, `cnn`, or `encoder` where only the head was trained here.
    module
        In evaluation mode; int64 [batch, sequence] -> float32 logits [batch, labels].
    tokenizer
        Makes the ids that the module takes.
    parameters
        Arguments that build the module again, see `build_module`; fit for JSON.
    options
        Every option with the value that was used, see `engine.training.options`; fit for JSON.
    history
        What happened: loss per step and the like; fit for JSON.
    """

    name: str
    module: NgramClassifier | TextCnn | EncoderClassifier
    tokenizer: Tokenizer
    parameters: dict[str, Any]
    options: dict[str, Any]
    history: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    texts: Sequence[str]
    targets: NDArray[np.int64]
    labels: int
    validation: tuple[Sequence[str], NDArray[np.int64]] | None
    seed: int
    max_tokens: int
    options: Mapping[str, Any]
    progress: Callable[[str, float], None]


def _train_ngram(task: _Task) -> TrainedModel:
    # scipy comes with these two: a process that only builds a module does not need it.
    from engine.training.features import make_features
    from engine.training.fitting import fit

    options = read_options(NgramOptions, task.options)
    options = replace(options, max_grams=min(options.max_grams, options.max_gram_weights // task.labels))
    task.progress("vocabulary", 0.0)
    tokenizer = word_tokenizer(task.texts, max_words=options.max_words, max_tokens=task.max_tokens)
    task.progress("features", 0.0)
    features = make_features([tokenizer.encode(text) for text in task.texts], tokenizer.words, options)
    module, losses = fit(features, task.targets, task.labels, options, lambda share: task.progress("fit", share))
    task.progress("fit", 1.0)
    return TrainedModel("ngram", module, tokenizer, module.config, _plain(options), {"loss": losses})


def _train_cnn(task: _Task) -> TrainedModel:
    options = read_options(CnnOptions, task.options)
    task.progress("vocabulary", 0.0)
    tokenizer = subword_tokenizer(task.texts, size=options.vocabulary, max_tokens=task.max_tokens)
    ids = [tokenizer.encode(text) for text in task.texts]
    held_out = None
    if task.validation is not None:
        held_out = ([tokenizer.encode(text) for text in task.validation[0]], task.validation[1])
    module, history = learn(
        ids,
        task.targets,
        task.labels,
        held_out,
        vocabulary_size=tokenizer.vocabulary_size,
        seed=task.seed,
        options=options,
        progress=lambda share: task.progress("fit", share),
    )
    task.progress("fit", 1.0)
    return TrainedModel("cnn", module, tokenizer, module.config, _plain(options), history)


def _plain(options: NgramOptions | CnnOptions) -> dict[str, Any]:
    """Options as JSON gives them back: with lists where they hold tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(options).items()}


_TRAINERS: dict[str, Callable[[_Task], TrainedModel]] = {"ngram": _train_ngram, "cnn": _train_cnn}
_MODULES: dict[str, Callable[..., nn.Module]] = {
    "ngram": NgramClassifier,
    "cnn": TextCnn,
    "encoder": EncoderClassifier,
    "sequence-classifier": SequenceClassifier,
    "torch": make_module,
}

MODEL_NAMES = tuple(_TRAINERS)


def train_model(
    name: str,
    texts: Sequence[str],
    targets: NDArray[np.int64],
    num_labels: int,
    *,
    validation: tuple[Sequence[str], NDArray[np.int64]] | None = None,
    seed: int = 0,
    max_tokens: int = 512,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> TrainedModel:
    """Train a model.

    Parameters
    ----------
    name
        `ngram` or `cnn`.
    texts
        Cleaned training texts.
    targets
        int64 [texts], tag numbers in [0, num_labels).
    num_labels
        Number of tags, at least 2; each has a text.
    validation
        Held-out texts and their tag numbers: they set the temperature of the probabilities and, for `cnn`,
        end the training.
    seed
        Starts everything that is left to chance; `ngram` leaves nothing to chance.
    max_tokens
        Texts are cut after so many tokens.
    options
        See `engine.training.options`.
    progress
        Called with a stage (`vocabulary`, `features`, `fit`, `calibration`) and the share of it done, in [0, 1].

    Raises
    ------
    engine.errors.TrainingError
        The model's name or an option is unknown, or the texts and tags cannot be trained on.
    """
    if name not in _TRAINERS:
        raise TrainingError(f"There is no model {name!r}; use one of {', '.join(MODEL_NAMES)}.")
    targets = _checked(texts, targets, num_labels, "training")
    if not texts:
        raise TrainingError("There are no training texts; check the shares of the split and the text columns.")
    missing = np.flatnonzero(np.bincount(targets, minlength=num_labels) == 0)
    if len(missing):
        raise TrainingError(
            f"Tag number {missing[0]} has no training text; give it texts, or leave the tag out (min_count)."
        )
    if validation is not None:
        validation = (validation[0], _checked(*validation, num_labels, "validation")) if len(validation[0]) else None
    report = progress or (lambda stage, share: None)
    task = _Task(texts, targets, num_labels, validation, seed, max_tokens, options or {}, report)
    model = _TRAINERS[name](task)
    if validation is not None:
        report("calibration", 0.0)
        logits = logits_of(model.module, [model.tokenizer.encode(text) for text in validation[0]])
        factor = fit_sharpness(logits, validation[1])
        model.module.sharpen(factor)
        model.history["temperature"] = 1.0 / factor
        report("calibration", 1.0)
    return model


def _checked(texts: Sequence[str], targets: NDArray[np.int64], labels: int, what: str) -> NDArray[np.int64]:
    targets = np.asarray(targets, dtype=np.int64)
    if labels < 2:
        raise TrainingError("There is only one tag; a classifier needs texts of at least two.")
    if targets.shape != (len(texts),):
        raise TrainingError(
            f"There are {len(texts)} {what} texts but tags of shape {targets.shape}; give one tag for each text."
        )
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < labels:
        raise TrainingError(
            f"The {what} tags are numbered {targets.min()} to {targets.max()}; number them 0 to {labels - 1}."
        )
    return targets


def build_module(name: str, parameters: Mapping[str, Any]) -> nn.Module:
    """Build the module of a run, with weights of zero or chance, from what `TrainedModel.parameters` held.

    Raises
    ------
    engine.errors.BundleError
        The name is unknown or the parameters are not those of the model.
    """
    if name not in _MODULES:
        raise BundleError(f"There is no model {name!r}; this Tagscope knows {', '.join(_MODULES)}.")
    try:
        return _MODULES[name](**parameters).eval()
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        raise BundleError(
            f"The parameters of the run do not fit model {name!r} ({error}); train the run again."
        ) from None


def save_module(module: nn.Module, path: Path) -> None:
    """Write the weights of a module as safetensors: numbers only, nothing that runs when it is read.

    Raises
    ------
    OSError
        The file cannot be written; `errno` says why.
    """
    # Not `save_file`: it hides the file from other users, and the number of an error from us.
    path.write_bytes(save({key: value.contiguous().clone() for key, value in module.state_dict().items()}))


def load_weights(module: nn.Module, path: Path) -> nn.Module:
    """Fill a module with weights that `save_module` wrote, and return it.

    Raises
    ------
    engine.errors.BundleError
        The file cannot be read or belongs to another module.
    """
    try:
        module.load_state_dict(load_file(str(path)))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: the weights cannot be used ({reason}); train or fetch the run again.") from None
    return module.eval()
