"""SRCNN, the "hello world" of deployment: larger pictures, by a fixed factor or by a factor chosen at run time.

Bicubic enlargement and three convolutions, 9-1-5 with 64 and 32 filters, on the luminance. The convolutions predict
what bicubic enlargement lacks; the colours stay as they are enlarged.

The factor at run time is what exporters trip over: ONNX has the operator (Resize takes its scales as an input), torch
does not (`interpolate` wants a Python number, which an export freezes). So the enlargement is a torch operator of our
own, `tagscope::bicubic_resize`, and `translate_bicubic_resize` says what it is in standard ONNX: any engine runs it.

What engines make of a factor:

- The new size is floor(size * factor), in float32 as ONNX Runtime and OpenVINO count it. The ONNX reference evaluator
  counts in float64; the two differ only where a factor is no exact float32, such as 10 pixels * 2.3.
- From 1.5 upwards all engines agree. Below, ONNX Runtime and OpenVINO copy a picture that is too small to grow by a
  pixel, where torch shifts it by a part of one.
- Engines and torch count coordinates in float32. At factors such as 2.5 and 3, noise 1,000 pixels wide comes out with
  differences up to 1e-4, where torch itself is 6e-5 from the exact answer; at 2 and 4 there is none.
- 0, a negative number, NaN and infinity are refused by torch and ONNX Runtime when they run. A graph cannot refuse a
  factor that is merely too large for the memory: whoever serves the model limits factor and pixels before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from onnxscript import opset20 as op
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

# Of red, green and blue in the luminance, ITU-R BT.601 at full range.
LUMINANCE = (0.299, 0.587, 0.114)
# Filter sizes 9, 1 and 5 see this many pixels on each side.
_REACH = 4 + 0 + 2
# What torch's bicubic enlargement uses; ONNX lets one choose.
_CUBIC = -0.75


@torch.library.custom_op("tagscope::bicubic_resize", mutates_args=())
def _bicubic_resize(picture: Tensor, factor: Tensor) -> Tensor:
    number = float(factor.item())
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"The factor {number} cannot enlarge a picture; give a number above 0.")
    height, width = (torch.tensor(picture.shape[-2:], dtype=torch.float32) * factor.cpu()).floor().long().tolist()
    if not (height and width):
        raise ValueError(f"The factor {number} leaves no pixel of {tuple(picture.shape[-2:])}; give a larger one.")
    return torch.ops.aten.upsample_bicubic2d(picture, [height, width], False, number, number)  # type: ignore[no-any-return]


@_bicubic_resize.register_fake
def _(picture: Tensor, factor: Tensor) -> Tensor:
    # While a graph is traced the factor has no value: the new sizes are only known to be sizes.
    context = torch.library.get_ctx()
    height, width = (context.new_dynamic_size(min=1) for _ in range(2))
    return picture.new_empty((*picture.shape[:-2], height, width))


# A function, and not the operator itself: that cannot be copied to the exporting process with a notebook's class.
def bicubic_resize(picture: Tensor, factor: Tensor) -> Tensor:
    """Enlarge float32 [batch, channels, height, width] by `factor`, float32 [1], to floor(size * factor).

    The same pixels as ``interpolate(picture, scale_factor=..., mode="bicubic", align_corners=False)``.

    Raises
    ------
    ValueError
        The factor is no number, not above 0, or leaves no pixel.
    """
    resized: Tensor = torch.ops.tagscope.bicubic_resize(picture, factor)
    return resized


def translate_bicubic_resize(picture: Any, factor: Any) -> Any:
    """Express `tagscope::bicubic_resize` by standard ONNX: Resize, with scales made from the factor at run time."""
    scales = op.Concat(op.Constant(value_floats=[1.0, 1.0]), factor, factor, axis=0)
    # Antialiasing, weights of outside pixels and extrapolation stay at what Resize does without a word: none.
    return op.Resize(
        picture,
        None,
        scales,
        mode="cubic",
        cubic_coeff_a=_CUBIC,
        coordinate_transformation_mode="half_pixel",
    )


TRANSLATIONS: dict[str, Callable[..., Any]] = {"tagscope::bicubic_resize": translate_bicubic_resize}


class Restoration(nn.Module):
    """Convolutions 9-1-5 that add to an enlarged picture what enlargement lost; the size stays.

    Parameters
    ----------
    channels
        3 for red, green and blue, or 1 for luminance alone. The weights are the same ones for both.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(f"Pictures have 1 or 3 channels, not {channels}.")
        self.patches = nn.Conv2d(1, 64, 9)
        self.mapping = nn.Conv2d(64, 32, 1)
        self.pixels = nn.Conv2d(32, 1, 5)
        weights = torch.tensor(LUMINANCE if channels == 3 else (1.0,))
        # Not persistent: the weights of a file fit pictures with and without colour.
        self.register_buffer("luminance", weights.view(1, channels, 1, 1), persistent=False)

    def forward(self, enlarged: Tensor) -> Tensor:
        """Return the restored picture, [batch, channels, height, width] in [0, 1]."""
        weights: Tensor = self.luminance  # type: ignore[assignment]
        luminance = (enlarged * weights).sum(dim=1, keepdim=True)
        # Once, by repeating the border, and not zeros before each convolution: those darken the border.
        x = functional.pad(luminance, (_REACH, _REACH, _REACH, _REACH), mode="replicate")
        x = functional.relu(self.patches(x))
        x = functional.relu(self.mapping(x))
        # The limit changes nothing (no pixel is wrong by more than the whole range), but stands between convolution
        # and addition: OpenVINO 2026.4 merges the two, and fails where 1 channel is added to 3 of dynamic size.
        detail = self.pixels(x).clamp(-1.0, 1.0)
        # The same amount on red, green and blue is that amount of luminance, and no change of colour.
        restored: Tensor = (enlarged + detail).clamp(0.0, 1.0)
        return restored


class SRCNN(nn.Module):
    """Enlarge pictures by one fixed factor: `picture` float32 [batch, channels, height, width] in [0, 1].

    Parameters
    ----------
    factor
        Any number above 0; a constant in the exported file.
    channels
        1 or 3.
    """

    def __init__(self, factor: float = 3.0, channels: int = 3) -> None:
        super().__init__()
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"The factor {factor} cannot enlarge a picture; give a number above 0.")
        self.factor = float(factor)
        self.restoration = Restoration(channels)

    def forward(self, picture: Tensor) -> Tensor:
        """Return [batch, channels, floor(height * factor), floor(width * factor)] in [0, 1]."""
        enlarged = functional.interpolate(picture, scale_factor=self.factor, mode="bicubic", align_corners=False)
        restored: Tensor = self.restoration(enlarged)
        return restored


class AnyFactorSRCNN(nn.Module):
    """Enlarge pictures by a factor that is an input: one file for all factors; the weights are those of `SRCNN`.

    Parameters
    ----------
    channels
        1 or 3.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.restoration = Restoration(channels)

    def forward(self, picture: Tensor, factor: Tensor) -> Tensor:
        """Return [batch, channels, floor(height * factor), floor(width * factor)] in [0, 1].

        Parameters
        ----------
        picture
            float32 [batch, channels, height, width] in [0, 1].
        factor
            float32 [1], not a scalar: model servers and some engines have no inputs without a dimension.
        """
        restored: Tensor = self.restoration(bicubic_resize(picture, factor))
        return restored
