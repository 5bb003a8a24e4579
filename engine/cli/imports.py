"""`tagscope import ...`: make a run of a model, or of predictions, that came to be elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.settings import get_settings
from engine.cli.options import Created, Data, Id, Label, Text, data_file
from engine.cli.outcome import print_outcome
from engine.console import progress_bars

if TYPE_CHECKING:
    from engine.dataset.fields import Fields
    from engine.pipeline.imports.request import ImportRequest

app = typer.Typer(
    help="Make a run of a model, or of predictions, that came to be elsewhere.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Tokenizer = Annotated[
    Path, typer.Option("--tokenizer", help="Hugging Face tokenizer.json, or a folder that holds it", metavar="FILE")
]
LABELS_HELP = "labels in the order of the model's outputs: a JSON list, a JSON object, config.json, or one per line"
Labels = Annotated[Path, typer.Option("--labels", help=f"The {LABELS_HELP}", metavar="FILE")]
PAD_HELP = "Id that fills up a batch; what the tokenizer's files say by default"
PadId = Annotated[int | None, typer.Option("--pad-id", min=0, help=PAD_HELP)]
TOKENS_HELP = "Longer texts are cut; where the tokenizer's files cut them by default"
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=2, help=TOKENS_HELP)]
Version = Annotated[str, typer.Option("--version", help="Name of this version of the data")]
Promote = Annotated[bool, typer.Option("--promote", help="Make it the promoted run when done")]


@app.command(short_help="A local Hugging Face directory: an encoder or a classifier")
def hf(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Local directory with config.json, model.safetensors and a tokenizer")
    ],
    data: Data = None,
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    holdout: Annotated[
        Path | None, typer.Option(help="Of an encoder: judge on this CSV instead of a share of the data")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help=f"Of a classifier: {LABELS_HELP}", metavar="FILE")
    ] = None,
    max_tokens: MaxTokens = None,
    accepted: Annotated[
        list[str] | None, typer.Option(help="Of an encoder: tag to keep; repeat. The others become `other`")
    ] = None,
    min_count: Annotated[
        int | None, typer.Option(min=1, help="Of an encoder: tags with fewer rows become `other`")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of an encoder: seed of splits and weights")] = None,
    validation_share: Annotated[
        float | None, typer.Option(min=0, max=0.5, help="Of an encoder: rows that set how sure the head is")
    ] = None,
    test_share: Annotated[float | None, typer.Option(min=0, max=0.5, help="Of an encoder: rows to judge on")] = None,
    version: Version = "",
    promote: Promote = False,
) -> None:
    """Import a Hugging Face directory: an encoder gets a trained head, a sequence classifier is taken as it is.

    Nothing is fetched, and nothing in the directory is run.
    """
    from engine.pipeline.imports.huggingface import STAGES, import_huggingface
    from engine.pipeline.imports.labels import read_labels
    from engine.pipeline.rows import Splitting

    settings = get_settings()
    given = settings.training
    file = data_file(data)
    splitting = Splitting(
        accepted=tuple(accepted) if accepted else given.accepted,
        min_count=given.min_count if min_count is None else min_count,
        seed=given.seed if seed is None else seed,
        validation_share=given.validation_share if validation_share is None else validation_share,
        test_share=given.test_share if test_share is None else test_share,
    )
    asked = {
        "--accepted": accepted,
        "--min-count": min_count,
        "--seed": seed,
        "--validation-share": validation_share,
        "--test-share": test_share,
    }
    names = read_labels(labels) if labels else ()
    with progress_bars(STAGES) as report:
        result = import_huggingface(
            directory,
            data=file,
            fields=_fields(text, label, id, created),
            splitting=splitting,
            holdout=holdout,
            labels=names,
            max_tokens=max_tokens,
            max_cell_characters=settings.data.max_cell_characters,
            version=version or settings.data.version,
            encoder_options=[name for name, value in asked.items() if value not in (None, [])],
            progress=report,
        )
    print_outcome(result, file, promote=promote)


@app.command("torch", short_help="A torch module and its safetensors")
def torch_module(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY", help="Such as mymodel:build for `def build()` in mymodel.py here; run"
        ),
    ],
    weights: Annotated[Path, typer.Option("--weights", help="Its weights as safetensors", metavar="FILE")],
    tokenizer: Tokenizer,
    labels: Labels,
    data: Data = None,
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    pad_id: PadId = None,
    max_tokens: MaxTokens = None,
    version: Version = "",
    promote: Promote = False,
) -> None:
    """Import a torch module: ids, int64 [batch, sequence] -> logits, float32 [batch, labels].

    The factory is called without arguments and gives the module; padding must be masked in it.
    """
    from engine.pipeline.imports.torch_module import STAGES, import_torch

    request = _request(tokenizer, labels, data, _fields(text, label, id, created), pad_id, max_tokens, version)
    with progress_bars(STAGES) as report:
        result = import_torch(reference, weights, request, progress=report)
    print_outcome(result, request.data, promote=promote)


@app.command(short_help="An ONNX text classifier")
def onnx(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file")],
    tokenizer: Tokenizer,
    labels: Labels,
    data: Data = None,
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    pad_id: PadId = None,
    max_tokens: MaxTokens = None,
    output: Annotated[
        str | None, typer.Option("--output", help="Output to take, where it is not clear", metavar="NAME")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="It answers with probabilities, though it ends in no Softmax")
    ] = False,
    version: Version = "",
    promote: Promote = False,
) -> None:
    """Import an ONNX model that takes ids (and a mask, and token types) and answers with logits or probabilities."""
    from engine.pipeline.imports.onnx_model import STAGES, import_onnx

    request = _request(tokenizer, labels, data, _fields(text, label, id, created), pad_id, max_tokens, version)
    with progress_bars(STAGES) as report:
        result = import_onnx(model, request, output=output, probabilities=probabilities, progress=report)
    print_outcome(result, request.data, promote=promote)


@app.command(short_help="A table of predictions, without a model")
def predictions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet with texts, tags and predicted tags")],
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    predicted: Annotated[
        str, typer.Option(help="Column of the predicted tag; may be missing with probabilities")
    ] = "predicted_tag",
    split: Annotated[str, typer.Option(help="Column of train, validation or test; may be missing")] = "split",
    probability: Annotated[
        str, typer.Option(help="Column of a tag's probability: this and then the tag; may be missing")
    ] = "probability:",
    version: Version = "",
) -> None:
    """Import predictions without a model: everything but inference works.

    The file has the texts, their true tags and the predicted ones, or a probability for each tag.
    """
    from engine.pipeline.imports.predictions import STAGES, PredictionColumns, import_predictions

    settings = get_settings().data
    with progress_bars(STAGES) as report:
        result = import_predictions(
            file,
            _fields(text, label, id, created),
            PredictionColumns(predicted, split, probability),
            max_cell_characters=settings.max_cell_characters,
            version=version or settings.version,
            progress=report,
        )
    print_outcome(result, file)


def _fields(text: list[str] | None, label: str | None, id: str | None, created: str | None) -> Fields:
    from engine.dataset.fields import Fields

    settings = get_settings().data
    return Fields(
        text=tuple(text) if text else settings.text,
        label=label or settings.label,
        id=settings.id if id is None else id,
        created=settings.created if created is None else created,
    )


def _request(
    tokenizer: Path,
    labels: Path,
    data: Path | None,
    fields: Fields,
    pad_id: int | None,
    max_tokens: int | None,
    version: str,
) -> ImportRequest:
    from engine.pipeline.imports.request import ImportRequest

    settings = get_settings()
    return ImportRequest(
        tokenizer=tokenizer,
        labels=labels,
        data=data_file(data),
        fields=fields,
        pad_id=pad_id,
        max_tokens=max_tokens,
        default_tokens=settings.training.max_tokens,
        max_cell_characters=settings.data.max_cell_characters,
        version=version or settings.data.version,
    )
