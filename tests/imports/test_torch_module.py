"""Somebody's own torch module: imported, exported, checked and built again; or one sentence says why not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.dataset.fields import Fields
from engine.errors import TagscopeError
from engine.inference.model import ServedModel
from engine.pipeline.imports.request import ImportRequest
from engine.pipeline.imports.torch_module import import_torch
from engine.runs.store import open_store
from engine.training.factory import load_foreign_weights, make_module
from engine.training.trainer import build_module, load_weights

from . import made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = "somebodys_model"
CODE = """
import torch
from torch import nn

import somebodys_sizes


class Mean(nn.Module):
    def __init__(self, labels=3, masked=True):
        super().__init__()
        self.embed = nn.EmbeddingBag(somebodys_sizes.WORDS, 8, mode="sum", padding_idx=0 if masked else None)
        self.head = nn.Linear(8, labels)

    def forward(self, ids):
        total = self.embed(ids)
        return self.head(total / (ids != 0).sum(1, keepdim=True))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(somebodys_sizes.WORDS, 3)
        self.again = nn.Embedding(somebodys_sizes.WORDS, 3)
        self.again.weight = self.embed.weight

    def forward(self, ids):
        kept = (ids != 0).unsqueeze(-1).float()
        return ((self.embed(ids) + self.again(ids)) * kept).sum(1)


class Doubled(Mean):
    def forward(self, ids):
        return super().forward(ids).double()


class Softened(Mean):
    def forward(self, ids):
        return super().forward(ids).softmax(1)


class Limited(Mean):
    def forward(self, ids):
        if ids.max() > 20:
            raise IndexError("index out of range in self")
        return super().forward(ids)


class Unpadded(Mean):
    def forward(self, ids):
        if ids.min() < 1:
            raise IndexError("index out of range in self")
        return super().forward(ids)


class Nothing(Mean):
    def forward(self, ids):
        return super().forward(ids) / 0.0


class Failing(Mean):
    def forward(self, ids):
        raise ValueError("it wants words")


class Masked(Mean):
    def forward(self, ids, attention_mask, weight=1.0, *others, **more):
        return super().forward(ids * attention_mask)


class PerToken(Mean):
    def forward(self, ids):
        return self.embed.weight[ids]


def build():
    return Mean()


def wide():
    return Mean(labels=5)


def unmasked():
    return Mean(masked=False)


def number():
    return 3


def fails():
    raise KeyError("a secret")


def leaves():
    raise SystemExit(0)


def needs(size):
    return Mean(size)


alias = torch.nn.Identity
"""


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with somebody's code in two files and the weights of each module."""
    found = home.parent / "files"
    found.mkdir()
    (found / f"{MODULE}.py").write_text(CODE, encoding="utf-8")
    (found / "somebodys_sizes.py").write_text(f"WORDS = {len(made.VOCABULARY)}\n", encoding="utf-8")
    (found / "config.py").write_text("def build():\n    return None\n", encoding="utf-8")
    (found / "broken_model.py").write_text("def build(:\n", encoding="utf-8")
    (found / "needing_model.py").write_text("import not_installed_anywhere\n", encoding="utf-8")
    monkeypatch.chdir(found)
    # As the console script runs: the current folder is not on the path.
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(found))])
    torch.manual_seed(11)
    save_file(make_module(f"{MODULE}:build").state_dict(), found / "good.safetensors")
    yield found
    for name in (MODULE, "somebodys_sizes", "broken_model", "needing_model"):
        sys.modules.pop(name, None)


@pytest.fixture
def request_of(folder: Path) -> ImportRequest:
    fields = Fields(text=("text",))
    return ImportRequest(made.write_tokenizer(folder), made.write_labels(folder), made.write_rows(folder), fields)


def test_it_becomes_a_run_that_can_be_built_again(
    folder: Path, request_of: ImportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    result = import_torch(f"{MODULE}:build", folder / "good.safetensors", request_of)
    manifest = result.manifest
    assert manifest.parity["difference"] <= 1e-4
    assert manifest.parity["mates"] <= 1e-4
    assert sys.path == before
    bundle = open_store().open(manifest.run_id)
    assert "model.safetensors" in bundle.manifest.files
    assert str(folder) not in (bundle.path / "run.json").read_text()

    module = load_weights(build_module(manifest.model, manifest.parameters["model"]), bundle.weights_path())
    texts = ["the whale", "lathe near a turbine and a robot"]
    ids = [[made.VOCABULARY.get(word, 1) for word in text.split()] for text in texts]
    with torch.no_grad():
        chances = np.concatenate([module(torch.tensor([row])).softmax(1).numpy() for row in ids])
    assert ServedModel(bundle).probabilities(texts) == pytest.approx(chances, abs=1e-5)

    monkeypatch.chdir(folder.parent)
    for name in (MODULE, "somebodys_sizes"):
        sys.modules.pop(name)
    with pytest.raises(TagscopeError, match=f"no module {MODULE} here; go to the folder that holds it"):
        build_module(manifest.model, manifest.parameters["model"])


def test_padding_that_is_not_masked_is_refused(folder: Path, request_of: ImportRequest, home: Path) -> None:
    weights = load_file(folder / "good.safetensors")
    weights["embed.weight"][0] = 5.0
    save_file(weights, folder / "loud.safetensors")
    with pytest.raises(TagscopeError, match="padding is not masked"):
        import_torch(f"{MODULE}:unmasked", folder / "loud.safetensors", request_of)
    assert list(home.rglob("*.onnx")) == []
    assert not any((home / "data" / "runs").iterdir())


REFERENCES = {
    "no colon": (MODULE, "MODULE:FACTORY"),
    "a file": (f"{MODULE}.py:build", f"names a file; name the module, such as {MODULE}:build"),
    "no such module": ("no_such_module:build", "no module no_such_module here"),
    "no such function": (f"{MODULE}:make", "no function or class make; it has Mean"),
    "no module made": (f"{MODULE}:number", "gives an int"),
    "it fails": (f"{MODULE}:fails", "KeyError: 'a secret'"),
    "it ends Python": (f"{MODULE}:leaves", "SystemExit"),
    "it needs arguments": (f"{MODULE}:needs", "give every argument a default"),
    "a syntax error": ("broken_model:build", "cannot be imported .SyntaxError"),
    "something not installed": ("needing_model:build", "not_installed_anywhere, which is not installed"),
    "Python itself": ("os:abort", "belongs to Python itself"),
    "a name that is taken": ("config:build", "another module config is found before the one in this folder"),
    "what others define": (f"{MODULE}:alias", "itself defines"),
    "other columns": (f"{MODULE}:wide", "the weight head.* has the shape"),
    "other numbers": (f"{MODULE}:Doubled", r"float64 \[2, 3\]"),
    "a smaller vocabulary": (f"{MODULE}:Limited", "fails at the tokenizer's last id, 21; give the tokenizer"),
    "no word for padding": (f"{MODULE}:Unpadded", "fails at the id that pads, 0; name the one .* by --pad-id"),
    "no number": (f"{MODULE}:Nothing", "no number .NaN or infinity.*save them again"),
    "it fails on ids": (f"{MODULE}:Failing", "it wants words.; its forward must take ids"),
    "probabilities": (f"{MODULE}:Softened", "are probabilities already .*before its softmax"),
    "a mask asked for": (f"{MODULE}:Masked", "asks for ids, attention_mask, and it is given ids alone"),
    "an answer per token": (f"{MODULE}:PerToken", "return logits"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_what_is_no_factory_of_a_classifier_is_refused(
    folder: Path, request_of: ImportRequest, home: Path, name: str
) -> None:
    reference, words = REFERENCES[name]
    with pytest.raises(TagscopeError, match=words) as refused:
        import_torch(reference, folder / "good.safetensors", request_of)
    assert "\n" not in str(refused.value)
    assert list(home.iterdir()) == []


def test_the_number_of_labels_is_that_of_the_columns(folder: Path, request_of: ImportRequest, home: Path) -> None:
    labels = made.write_labels(folder, [*made.LABELS, "other"])
    request = ImportRequest(request_of.tokenizer, labels, request_of.data, request_of.fields)
    with pytest.raises(TagscopeError, match="3 columns, and 4 labels"):
        import_torch(f"{MODULE}:build", folder / "good.safetensors", request)
    assert list(home.iterdir()) == []


def weights_of(folder: Path, kind: str) -> Path:
    good = load_file(folder / "good.safetensors")
    path = folder / "weights.safetensors"
    if kind == "zip":
        torch.save(good, path)
    elif kind == "pickle":
        torch.save(good, path, _use_new_zipfile_serialization=False)
    elif kind == "suffix":
        path = path.with_suffix(".bin")
        save_file(good, path)
    elif kind == "truncated":
        path.write_bytes((folder / "good.safetensors").read_bytes()[:-9])
    elif kind == "random":
        path.write_bytes(np.random.default_rng(1).bytes(3_000))
    elif kind == "lacking":
        save_file({"embed.weight": good["embed.weight"], "tail.bias": good["head.bias"]}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("zip", "pickled.*save_file"),
        ("pickle", "pickled.*save_file"),
        ("suffix", "pickled.*save_file"),
        ("truncated", "not a whole safetensors file"),
        ("random", "not a whole safetensors file"),
        ("lacking", "lacks head.weight, head.bias and has tail.bias"),
        ("absent", "No such file"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    folder: Path, request_of: ImportRequest, home: Path, kind: str, words: str
) -> None:
    with pytest.raises(TagscopeError, match=words) as refused:
        import_torch(f"{MODULE}:build", weights_of(folder, kind), request_of)
    assert "\n" not in str(refused.value)
    assert list(home.iterdir()) == []


def test_tied_weights_may_stand_in_the_file_once(folder: Path) -> None:
    module = make_module(f"{MODULE}:Tied")
    wanted = torch.full_like(module.embed.weight, 0.25)
    save_file({"embed.weight": wanted}, folder / "tied.safetensors")
    load_foreign_weights(module, folder / "tied.safetensors")
    assert torch.equal(module.again.weight, wanted)
