"""`tagscope api`: the HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer

from config.settings import get_settings
from engine.console import out


def api(
    host: Annotated[str | None, typer.Option(help="0.0.0.0 lets other machines in [settings: api.host]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0: the system chooses [settings: api.port]")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=0, max=256, help="0: one per core [settings: api.processes]")
    ] = None,
) -> None:
    """Serve predictions over HTTP; /docs says how to ask."""
    from engine.api.supervisor import serve

    serve(
        get_settings(),
        host=host,
        port=port,
        processes=processes,
        announce=lambda url: out.print(f"Serving {url} - stop with Ctrl+C.", markup=False, highlight=False),
    )
