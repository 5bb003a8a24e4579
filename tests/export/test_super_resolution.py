"""SRCNN: one file for all sizes and factors answers as torch does, and is better than bicubic enlargement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file
from skimage import data
from torch.nn import functional

from engine.backends.registry import open_backend
from engine.errors import BackendError, ExportError
from engine.export.axes import Axis
from engine.export.examples.super_resolution import (
    LUMINANCE,
    SRCNN,
    TRANSLATIONS,
    AnyFactorSRCNN,
    Restoration,
    bicubic_resize,
)
from engine.export.exporter import ExportReport, export_model
from engine.export.parity.comparison import compare
from engine.export.parity.reference_backend import ReferenceBackend
from engine.export.parity.torch_backend import TorchBackend

if TYPE_CHECKING:
    from engine.backends.protocol import Session

WEIGHTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "srcnn.safetensors"
TOLERANCE = 1e-4
FACTORS = (2.0, 2.5, 3.0, 4.0)
FIXED = 2.5
# (batch, height, width): single pixels, lines, odd and prime sizes; none is the example's.
SHAPES = (
    *((1, 1, 1), (1, 1, 13), (3, 17, 1), (2, 7, 7), (5, 2, 3), (1, 10, 10), (1, 5, 5)),
    *((4, 11, 23), (1, 31, 37), (2, 53, 29), (1, 3, 97), (1, 64, 48), (1, 101, 67)),
)
# The reference evaluator takes 0.1 ms for each pixel of the answer.
SMALL = tuple(shape for shape in SHAPES if math.prod(shape) <= 120)
AXES = {"picture": {0: Axis("batch"), 2: Axis("height"), 3: Axis("width")}}


@dataclass(frozen=True)
class Exported:
    """A module, its file and what was said of it."""

    module: torch.nn.Module
    content: bytes
    report: ExportReport

    def torch(self) -> Session:
        names = tuple(self.report.axes)
        return TorchBackend(self.module, inputs=names[:-1], outputs=names[-1:]).open(b"", name="SRCNN")

    def engine(self, name: str) -> Session:
        if name == "reference":
            return ReferenceBackend().open(self.content, name="SRCNN")
        return open_backend(name).open(self.content, name="SRCNN")


def trained(module: Any) -> Any:
    module.restoration.load_state_dict(load_file(WEIGHTS))
    return module.eval()


def export(module: Any, folder: Path, **inputs: torch.Tensor) -> Exported:
    path = folder / "srcnn.onnx"
    # The cases are ours, below.
    report = export_model(
        module, inputs, path, dynamic=AXES, outputs=("enlarged",), translations=TRANSLATIONS, cases=()
    )
    return Exported(module, path.read_bytes(), report)


@pytest.fixture(scope="module")
def any_factor(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    picture = torch.rand(2, 3, 8, 9)
    return export(
        trained(AnyFactorSRCNN()), tmp_path_factory.mktemp("any"), picture=picture, factor=torch.tensor([2.0])
    )


@pytest.fixture(scope="module")
def fixed_factor(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(trained(SRCNN(FIXED, channels=1)), tmp_path_factory.mktemp("fixed"), picture=torch.rand(2, 1, 8, 9))


def cases(shapes: tuple[tuple[int, int, int], ...], channels: int, **more: Any) -> list[dict[str, Any]]:
    chance = np.random.default_rng(0)
    return [
        {"picture": chance.random((batch, channels, height, width), dtype=np.float32), **more}
        for batch, height, width in shapes
    ]


def with_factor(shapes: tuple[tuple[int, int, int], ...], factor: float) -> list[dict[str, Any]]:
    return cases(shapes, 3, factor=np.array([factor], dtype=np.float32))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "reference"])
def test_one_file_answers_as_torch_does_at_every_size_and_factor(
    any_factor: Exported, engine: str, factor: float
) -> None:
    asked = with_factor(SMALL if engine == "reference" else SHAPES, factor)
    found = compare(any_factor.torch(), any_factor.engine(engine), asked)
    assert found.difference <= TOLERANCE
    assert len(found.cases) >= (6 if engine == "reference" else 12)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "reference"])
def test_a_fixed_factor_answers_as_torch_does_at_every_size(fixed_factor: Exported, engine: str) -> None:
    asked = cases(SMALL if engine == "reference" else SHAPES, 1)
    assert compare(fixed_factor.torch(), fixed_factor.engine(engine), asked).difference <= TOLERANCE


@pytest.mark.parametrize("factor", [1.5, *FACTORS])
def test_the_new_size_is_rounded_down(any_factor: Exported, factor: float) -> None:
    session = any_factor.engine("onnxruntime")
    for case in with_factor(SHAPES, factor):
        batch, channels, height, width = case["picture"].shape
        wanted = (batch, channels, math.floor(height * factor), math.floor(width * factor))
        assert session.run(case)["enlarged"].shape == wanted


def test_the_factor_is_an_input_of_the_file_and_nothing_of_the_example_is_left(any_factor: Exported) -> None:
    graph = onnx.load_from_string(any_factor.content).graph
    assert any_factor.report.axes["factor"] == (1,)
    assert any_factor.report.axes["picture"] == ("batch", 3, "height", "width")
    assert all(isinstance(size, str) for size in any_factor.report.axes["enlarged"][2:])
    (resize,) = [node for node in graph.node if node.op_type == "Resize"]
    (scales,) = [node for node in graph.node if resize.input[2] in node.output]
    assert scales.op_type == "Concat"
    assert list(scales.input).count("factor") == 2


def test_the_file_has_standard_operators_alone(any_factor: Exported, fixed_factor: Exported) -> None:
    assert any_factor.report.operators["Resize"] == fixed_factor.report.operators["Resize"] == 1
    assert any_factor.report.operators["Conv"] == fixed_factor.report.operators["Conv"] == 3
    assert not [name for name in any_factor.report.operators if "::" in name]
    assert any_factor.report.engines == ()
    assert list(fixed_factor.report.axes) == ["picture", "enlarged"]


@pytest.mark.parametrize("factor", FACTORS)
def test_the_operator_is_torchs_own_enlargement(factor: float) -> None:
    for case in cases(SHAPES, 3):
        picture = torch.from_numpy(case["picture"])
        wanted = functional.interpolate(picture, scale_factor=factor, mode="bicubic", align_corners=False)
        torch.testing.assert_close(bicubic_resize(picture, torch.tensor([factor])), wanted)


def test_the_operator_passes_torchs_own_checks() -> None:
    picture = torch.rand(2, 3, 7, 5)
    torch.library.opcheck(torch.ops.tagscope.bicubic_resize.default, (picture, torch.tensor([2.5])))


@pytest.mark.parametrize("factor", [0.0, -2.0, math.nan, math.inf])
def test_a_factor_that_cannot_be_one_is_refused(any_factor: Exported, factor: float) -> None:
    (case,) = with_factor(((1, 4, 5),), factor)
    with pytest.raises(ValueError, match="give a number above 0"):
        bicubic_resize(torch.from_numpy(case["picture"]), torch.tensor([factor]))
    with pytest.raises(ValueError, match="give a number above 0"):
        SRCNN(factor)
    for session in (any_factor.torch(), any_factor.engine("onnxruntime"), any_factor.engine("openvino")):
        with pytest.raises(BackendError):
            session.run(case)
    # And the session is as good as before.
    (good,) = with_factor(((1, 4, 5),), 2.0)
    assert any_factor.engine("onnxruntime").run(good)["enlarged"].shape == (1, 3, 8, 10)


def test_a_factor_that_leaves_no_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves no pixel"):
        bicubic_resize(torch.rand(1, 3, 4, 5), torch.tensor([0.2]))


def test_a_picture_of_two_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or 3 channels"):
        Restoration(channels=2)


def test_without_the_translation_the_export_names_the_operator(tmp_path: Path) -> None:
    inputs = {"picture": torch.rand(2, 3, 8, 9), "factor": torch.tensor([2.0])}
    with pytest.raises(ExportError, match="tagscope::bicubic_resize"):
        export_model(AnyFactorSRCNN(), inputs, tmp_path / "model.onnx", dynamic=AXES, outputs=("enlarged",))
    assert not list(tmp_path.iterdir())


def test_colours_are_kept_and_one_channel_gives_the_luminance_of_three() -> None:
    colour, grey = Restoration(3).eval(), Restoration(1).eval()
    for one in (colour, grey):
        one.load_state_dict(load_file(WEIGHTS))
    # Far from 0 and 1, where a channel is cut off.
    picture = 0.25 + torch.from_numpy(data.chelsea()[80:120, 100:150].copy()).permute(2, 0, 1)[None] / 510
    weights = torch.tensor(LUMINANCE).view(1, 3, 1, 1)
    with torch.no_grad():
        added = colour(picture) - picture
        luminance = (picture * weights).sum(1, keepdim=True)
        torch.testing.assert_close(added[:, 0], added[:, 2], atol=1e-6, rtol=0)
        assert float(added.abs().max()) > 0.01
        torch.testing.assert_close((colour(picture) * weights).sum(1, keepdim=True), grey(luminance))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea", "coffee"])
def test_the_shipped_weights_beat_bicubic_on_photographs_kept_out(
    any_factor: Exported, name: str, factor: float
) -> None:
    pixels = getattr(data, name)()[60:240, 120:300]
    pixels = np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels
    original = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    size = round(180 / factor)
    small = functional.interpolate(original, size=(size, size), mode="bicubic", antialias=True)
    small = (small.clamp(0, 1) * 255).round() / 255
    feeds = {"picture": small.numpy(), "factor": np.array([factor], dtype=np.float32)}
    ours = torch.from_numpy(any_factor.engine("onnxruntime").run(feeds)["enlarged"])
    plain = functional.interpolate(small, scale_factor=factor, mode="bicubic")

    def error(found: torch.Tensor) -> float:
        difference = ((found.clamp(0, 1) - original) * torch.tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1)
        return float((difference[:, 10:-10, 10:-10] ** 2).mean())

    assert error(ours) < error(plain)
