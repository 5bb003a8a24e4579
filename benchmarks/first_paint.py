"""How long until a visitor sees the number of projects? The dashboard beside the shells tried, on warm servers.

    python benchmarks/first_paint.py [--visits 15]

From the start of the navigation to the count being visible in Chromium, a new browser context (empty cache) for each
visit, the shells in turn so that the machine's moods fall on all alike. Every shell but the dashboard holds only the
count and a table of 12 rows; the dashboard is the whole one. `document` is the time to the first byte of the page.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import urllib.request
from pathlib import Path

from browsing.appearing import open_timed
from machine import ROOT, write_results
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.progress import track
from rich.table import Table

SHELLS = Path(__file__).with_name("shells")
NAMES = {
    "app": "the dashboard (pmui.Page with the count in the HTML)",
    "pmui_page": "panel_material_ui.Page",
    "fast": "FastListTemplate",
    "material": "MaterialTemplate",
    "bootstrap": "BootstrapTemplate",
    "bare": "no template",
}
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


def visit(browser: Browser, url: str) -> tuple[float, float]:
    """Return seconds from navigation start to the count and to the first byte, for a visitor with an empty cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    [count] = open_timed(page, url, (".count", ""))
    document = page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
    context.close()
    return count / 1000, document / 1000


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=15)
    visits = parser.parse_args().visits
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scripts = [ROOT / "dashboard" / "app.py", *(SHELLS / f"{name}.py" for name in NAMES if name != "app")]
    command = [sys.executable, "-m", "panel", "serve", *map(str, scripts), "--port", str(port), "--warm"]
    environment = {**os.environ, "PYTHONPATH": str(SHELLS), "TAGSCOPE_HOME": str(ROOT)}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    try:
        while not _answers(f"http://localhost:{port}/app"):
            if server.poll() is not None:
                sys.exit("The server did not start; run the command by hand to see why: " + " ".join(command))
        with sync_playwright() as playwright:
            executable = os.environ.get("TAGSCOPE_CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=executable, args=FLAGS.split())
            for name in NAMES:
                visit(browser, f"http://localhost:{port}/{name}")
            for _ in track(range(visits), description="visits"):
                for name, seen in times.items():
                    seen.append(visit(browser, f"http://localhost:{port}/{name}"))
    finally:
        server.terminate()
        server.wait(30)
    rows = []
    table = Table("shell", "count visible, median s", "quartiles", "worst", "document, median s")
    for name, seen in times.items():
        counts = sorted(count for count, _ in seen)
        low, median, high = statistics.quantiles(counts, n=4)
        document = statistics.median(document for _, document in seen)
        rows.append(
            {
                "shell": NAMES[name],
                "median": median,
                "low": low,
                "high": high,
                "worst": counts[-1],
                "document": document,
            }
        )
        table.add_row(NAMES[name], f"{median:.2f}", f"{low:.2f}-{high:.2f}", f"{counts[-1]:.2f}", f"{document:.2f}")
    Console().print(table)
    write_results("first_paint", {"command": "python benchmarks/first_paint.py", "visits": visits, "results": rows})


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
