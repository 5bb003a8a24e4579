"""The ceiling: Tagscope's own listener, which reads a body and answers the same bytes whatever it says."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import msgspec
import uvloop

from config.settings import ApiSettings
from engine.api.connection import SWEEP_SECONDS
from engine.api.listener import Listener

_ANSWER = msgspec.json.encode({"predicted_tag": "other", "probabilities": dict.fromkeys("abcdefgh", 0.125)})


async def serve(descriptor: int) -> None:
    """Serve in one process."""
    listener = Listener(lambda request: request.answer_json(_ANSWER), descriptor, ApiSettings())
    serving = asyncio.create_task(listener.run())
    while not serving.done():
        listener.sweep()
        await asyncio.sleep(SWEEP_SECONDS)


def main() -> None:
    """Fork a process for each core, each with a socket of its own."""
    children = []
    for _ in range(int(os.environ["SERVING_PROCESSES"])):
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        door.bind(("127.0.0.1", int(os.environ["SERVING_PORT"])))
        door.listen()
        child = os.fork()
        if not child:
            uvloop.run(serve(door.detach()))
            os._exit(0)
        children.append(child)
        door.close()
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(child, signal.SIGTERM) for child in children])
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
