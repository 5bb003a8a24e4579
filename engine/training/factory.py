"""A torch module from somebody's own code: MODULE:FACTORY is imported and called, and safetensors fill it."""

from __future__ import annotations

import importlib
import inspect
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from engine.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_PICKLE_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"})
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_NAMES_SHOWN = 4


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Have modules of the current folder found for a while, after all others, here and in processes that export.

    It goes in as an absolute path: whoever hides the current folder lets through what was named in full.
    """
    folder = str(Path.cwd())
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def make_module(reference: str) -> nn.Module:
    """Import a factory and call it without arguments.

    Parameters
    ----------
    reference
        `MODULE:FACTORY`; the module is looked for where Python finds modules, and in the current folder. The factory
        is a function or a class of that very module, so that a run from elsewhere cannot name just any function.

    Returns
    -------
    torch.nn.Module
        In float32, in evaluation mode, with whatever weights the factory gives it.

    Raises
    ------
    engine.errors.TrainingError
        There is no such factory, it fails, or gives something else; one sentence says which.
    """
    home, _, name = reference.partition(":")
    if home.endswith(".py"):
        _fail(
            reference, f"it names a file; name the module, such as {Path(home).stem}:{name or 'build'}, from its folder"
        )
    if not name.isidentifier() or not all(part.isidentifier() for part in home.split(".")):
        _fail(
            reference, "it is not of the form MODULE:FACTORY, such as `mymodel:build` for `def build()` in mymodel.py"
        )
    if home.partition(".")[0] in sys.stdlib_module_names:
        _fail(reference, f"{home} belongs to Python itself; name a module of your own")
    with current_folder_importable():
        factory = _factory(reference, home, name)
        try:
            module = factory()
        except (Exception, SystemExit) as error:  # whatever a person's code raises, its name must be told
            raise TrainingError(
                f"{reference} fails when it is called without arguments ({_reason(error)}); mend it, or give every "
                "argument a default."
            ) from error
    if not isinstance(module, nn.Module):
        _fail(reference, f"it gives {_article(type(module).__name__)}, not a torch.nn.Module; return the module")
    return module.float().eval()


def load_foreign_weights(module: nn.Module, path: Path) -> None:
    """Fill a module with a safetensors file.

    Parameters
    ----------
    module
        What is filled. A weight that is one with another (tied) may be missing.
    path
        A safetensors file; one that Python's pickle wrote can run code when it is read, so it is not.

    Raises
    ------
    engine.errors.TrainingError
        It is no such file, or its names or shapes are not those of the module.
    """
    tensors = _read(path)
    own = module.state_dict()
    present = {_storage(own[name]) for name in own if name in tensors}
    missing = [name for name in own if name not in tensors and _storage(own[name]) not in present]
    unknown = [name for name in tensors if name not in own]
    if missing or unknown:
        said = [f"lacks {_listed(missing)}"] if missing else []
        said += [f"has {_listed(unknown)}, which the module has not"] if unknown else []
        raise TrainingError(
            f"{path}: these weights are not those of {type(module).__name__}: the file {' and '.join(said)}; give the "
            "factory the same layers as the trained module, and the weights the same names."
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise TrainingError(
                f"{path}: the weight {name} has the shape {list(tensor.shape)}, and {type(module).__name__} has "
                f"{list(own[name].shape)} there; give the factory the sizes of the trained module."
            )
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def _factory(reference: str, home: str, name: str) -> Any:
    try:
        module = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name is None or not (home == error.name or home.startswith(f"{error.name}.")):
            _fail(reference, f"{home} needs the module {error.name}, which is not installed; install it")
        _fail(
            reference,
            f"there is no module {home} here; go to the folder that holds it, or put that folder on PYTHONPATH",
        )
    except (Exception, SystemExit) as error:  # whatever a person's code raises, its name must be told
        raise TrainingError(f"{home} cannot be imported ({_reason(error)}); mend it.") from error
    own = Path(*home.split(".")).with_suffix(".py")
    if own.is_file() and not own.samefile(getattr(module, "__file__", None) or own):
        _fail(reference, f"another module {home} is found before the one in this folder; give yours another name")
    factory = getattr(module, name, None)
    if factory is None or not callable(factory):
        mine = [
            key
            for key, value in vars(module).items()
            if not key.startswith("_") and callable(value) and getattr(value, "__module__", "") == home
        ]
        _fail(reference, f"{home} has no function or class {name}; it has {_listed(mine) or 'none at all'}")
    if not (inspect.isfunction(factory) or inspect.isclass(factory)) or factory.__module__ != home:
        _fail(reference, f"{name} is not a function or class that {home} itself defines; name one that it defines")
    return factory


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise TrainingError(
            f"{path}: the weights cannot be read ({error.strerror}); check the name and the folder you are in."
        ) from None
    if path.suffix.lower() in _PICKLE_SUFFIXES or start.startswith(_PICKLE_STARTS):
        raise TrainingError(
            f"{path}: these weights are pickled, and reading a pickle can run code that hides in it; convert them "
            "where you trust them, with `safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
            "'weights.safetensors')`, and give that file."
        )
    try:
        return load_file(str(path))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{path}: this is not a whole safetensors file ({_reason(error)}); write it with "
            "`safetensors.torch.save_file(module.state_dict(), FILE)`."
        ) from None


def _storage(tensor: Tensor) -> tuple[int, torch.Size, tuple[int, ...]]:
    return (tensor.data_ptr(), tensor.shape, tensor.stride())


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _reason(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _fail(reference: str, reason: str) -> NoReturn:
    raise TrainingError(f"{reference} cannot be used: {reason}.")
