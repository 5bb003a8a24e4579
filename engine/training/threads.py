"""Training on one thread: sums are added up in one order, whatever the number of cores."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, and as many as before after it.

    The models are small: two threads gain little on a free machine, and on a busy one each operation can wait for
    the slower thread (seen once on two shared cores: 27 s for a fit that took 2 s on one thread).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
