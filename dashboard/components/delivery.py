"""Every change reaches the browser: mends how Panel hands on what it could not send at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.io import document as panel_document

if TYPE_CHECKING:
    from bokeh.document import Document

_NEEDED = ("_dispatch_msgs", "_dispatch_write_task", "_WRITE_BLOCK", "_WRITE_MSGS")


def deliver_everything() -> None:
    """Send at once what Panel otherwise keeps until something else changes.

    While the socket is in use, Panel puts a change aside and a task sends it. What changes in the moment in which that
    task ends is put aside too, and the task of its own believes that all is sent: a table then shows the rows of the
    filter before, for as long as nothing else happens (seen with Panel 1.9.4, `panel.io.document._dispatch_msgs`).
    """
    if not all(hasattr(panel_document, name) for name in _NEEDED):
        return  # of another version of Panel, whose way it is not
    send: Any = panel_document._dispatch_msgs
    if hasattr(send, "delivers_everything"):
        return

    async def send_all(document: Document) -> None:
        await send(document)
        if document in panel_document._WRITE_MSGS and document not in panel_document._WRITE_BLOCK:
            panel_document._WRITE_BLOCK[document] = True
            panel_document._dispatch_write_task(document, send_all, document)

    send_all.delivers_everything = True  # type: ignore[attr-defined]
    panel_document._dispatch_msgs = send_all
