"""A place on the page whose content is made when it is about to be seen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import param
from panel.viewable import Viewer

from dashboard.components.browser import OnSight
from dashboard.components.layout import stack
from dashboard.components.work import Group, Worker
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn


PATIENCE_SECONDS = 1.0
"""How long content may stay away to come whole: each part that comes by itself costs a browser another layout."""
_LEAVE_LATE = ":host { transition: min-height 0s 0.7s; }"


class Lazy(Viewer):
    """Shows a placeholder until it is near the visible part of the page, then what `build` returns.

    Parameters
    ----------
    build
        Makes the content; runs on the event loop, so it should only put views together.
    prepare
        Run before in a thread of its own: imports and reading of files.
    whole
        Whether the content, a section for example, comes when it has what it asked for when it was made, but no later
        than after `PATIENCE_SECONDS`. Until it is whole and drawn its place keeps its height: what stands below would
        come into sight, and be made.
    """

    built = param.Boolean(default=False, constant=True, doc="Whether the content is there or on its way.")
    height = param.Integer(default=400, doc="Height of the placeholder, in pixels.")

    def __init__(
        self,
        build: Callable[[], Any],
        *,
        prepare: Callable[[], object] | None = None,
        whole: bool = False,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._build = build
        self._prepare = prepare
        self._sight = OnSight(tall=self.height, margin=0, sizing_mode="stretch_width")
        self._whole = whole
        held: dict[str, Any] = {"css": _LEAVE_LATE, "min_height": self.height} if whole else {}
        self._column = stack(self._sight, **held)
        self._worker, self._group = Worker(), Group()
        self.param.watch(self._resize, "height")
        self._sight.param.watch(self._seen, "seen")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._column

    def _seen(self, _event: object) -> None:
        if not self.built:
            with param.edit_constant(self):
                self.built = True
            self._worker.run(self._make_ready, lambda _nothing: self._fill())

    def _resize(self, _event: object) -> None:
        if not self.built:
            self._sight.tall = self.height
            if self._whole:
                self._column.min_height = self.height

    def _make_ready(self) -> None:
        # What cannot be read is said by the content itself, in its place.
        if self._prepare is not None:
            with contextlib.suppress(TagscopeError):
                self._prepare()

    def _fill(self) -> None:
        if not self._whole:
            self._column[:] = [self._build()]
            return
        with self._group.gather():
            content = self._build()
        self._group.when_settled(lambda: self._show(content))
        if not self._group.is_settled:
            self._worker.run(lambda: None, lambda _nothing: self._show(content), pause=PATIENCE_SECONDS)

    def _show(self, content: Any) -> None:
        if self._column[0] is self._sight:
            self._column[:] = [content]
        self._column.min_height = 0 if self._group.is_settled else self.height
