"""What changes while a browser is being written to arrives, however soon it follows another change."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import panel as pn
from bokeh.util.token import generate_jwt_token, generate_session_id
from panel.io.state import set_curdoc
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from dashboard.sections.base import Section
from dashboard.state import DashboardState

if TYPE_CHECKING:
    from bokeh.document import Document
    from panel.pane import HTML

TURNS = 8
PATIENCE_SECONDS = 5
DRAWN = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}


async def visit(port: int) -> Any:
    """Open the page as a browser does, and say that it is drawn; return the socket."""
    token = generate_jwt_token(generate_session_id())
    address = HTTPRequest(f"ws://localhost:{port}/app/ws", headers={"Sec-WebSocket-Protocol": f"bokeh, {token}"})
    socket = await websocket_connect(address)
    events = [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": DRAWN}]
    for kind, content in (("PULL-DOC-REQ", {}), ("PATCH-DOC", {"events": events})):
        for part in ({"msgid": kind, "msgtype": kind}, {}, content):
            await socket.write_message(json.dumps(part))
    assert await arrives(socket, '"reqid": "PATCH-DOC"')
    return socket


async def arrives(socket: Any, words: str) -> bool:
    """Wait for a message with these words; False if there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := await socket.read_message()) is not None:
                if words in str(message):
                    return True
    except TimeoutError:
        pass
    return False


async def change_twice(port: int, pages: list[tuple[Document, HTML]], turns: int) -> bool:
    """Change a text while the socket is in use, and again some turns of the event loop later; whether both arrive."""
    socket = await visit(port)
    document, text = pages[-1]
    (connection,) = document.session_context.session._subscribed_connections
    with set_curdoc(document):
        with await connection._socket.write_lock.acquire():  # as Bokeh does for a message of its own
            text.object = "the first change"
        for _ in range(turns):
            await asyncio.sleep(0)
        text.object = "the second change"
    return await arrives(socket, "the first change") and await arrives(socket, "the second change")


def test_a_change_arrives_however_soon_it_follows_another() -> None:
    Section(state=DashboardState())
    pages: list[tuple[Document, HTML]] = []

    def app() -> HTML:
        text = pn.pane.HTML("nothing yet")
        pages.append((pn.state.curdoc, text))
        return text

    server = pn.serve({"app": app}, port=0, show=False, start=False)
    server.start()
    try:
        arrived = [
            server.io_loop.run_sync(lambda turns=turns: change_twice(server.port, pages, turns))
            for turns in range(TURNS)
        ]
    finally:
        server.stop()
    assert arrived == [True] * TURNS
