"""A place on the page whose content is made when it is about to be seen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import param
from panel.viewable import Viewer

from dashboard.components.browser import OnSight
from dashboard.components.layout import stack
from dashboard.components.work import Worker
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn


class Lazy(Viewer):
    """Shows a placeholder until it is near the visible part of the page, then what `build` returns.

    Parameters
    ----------
    build
        Makes the content; runs on the event loop, so it should only put views together.
    prepare
        Run before in a thread of its own: imports and reading of files.
    """

    built = param.Boolean(default=False, constant=True, doc="Whether the content is there or on its way.")
    height = param.Integer(default=400, doc="Height of the placeholder, in pixels.")

    def __init__(
        self,
        build: Callable[[], Any],
        *,
        prepare: Callable[[], object] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._build = build
        self._prepare = prepare
        self._sight = OnSight(tall=self.height, margin=0, sizing_mode="stretch_width")
        self._column = stack(self._sight)
        self._worker = Worker()
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

    def _make_ready(self) -> None:
        # What cannot be read is said by the content itself, in its place.
        if self._prepare is not None:
            with contextlib.suppress(TagscopeError):
                self._prepare()

    def _fill(self) -> None:
        self._column[:] = [self._build()]
