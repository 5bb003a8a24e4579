"""Sections of docs/benchmarks.md on models that serve: their speed, the service beside others, and what it bears."""

from __future__ import annotations

import statistics
from typing import Any

from markdown_tables import table


def tuning(results: dict[str, Any]) -> str:
    """Verdicts of `tagscope parity` and the choice of `tagscope tune`, for MiniLM with a head."""
    found, told = results["tuning"], results["parity"]
    choice = found["choice"]

    def speed(name: str, setting: dict[str, Any]) -> float:
        return 1 / setting["latency"] if name.startswith("single") else setting["throughput"]

    def shown(setting: dict[str, Any]) -> str:
        low, high = setting["throughput_range"]
        return f"{setting['latency'] * 1e3:,.3g} ms, {setting['throughput']:,.0f}/s ({low:,.0f} to {high:,.0f})"

    patterns = []
    for name, setting in choice["patterns"].items():
        usual = choice["reference"][name]
        patterns.append(
            (
                f"{name}: {found['meanings'][name]}",
                f"{setting['backend']} {setting['precision']}, batch {setting['batch']}",
                shown(setting),
                shown(usual),
                f"{speed(name, setting) / speed(name, usual):.2f}",
            )
        )
    answers = {f"{row['backend']} {row['precision']}": row for row in told["ways"]}
    ways = []
    for row in found["ways"]:
        answer = answers.get(row["way"], {})
        off = "" if answer.get("shapes") is None else f"{max(answer['shapes'], answer['texts']):.1e}"
        gain = "" if row["gain"] is None else f"{row['gain']:.2f}"
        passed = {True: "passes", False: "does not pass", None: "not chosen"}[row["passed"]]
        ways.append((row["way"], off, gain, f"{passed}: {row['reason'].rstrip('.')}"))
    counted = ", ".join(f"{count:,} {kind}" for kind, count in found["texts"].items())
    left = f" Done before the time was up: {'; '.join(found['unfinished'])}." if found["unfinished"] else ""
    return (
        "all-MiniLM-L6-v2 with a head, made by `tagscope import hf` of the lesson's `dataset.csv`; then `tagscope "
        "parity` and `tagscope tune`, all ways in turn in each round. Gain is over fp32 on ONNX Runtime at its best "
        f"batch and threads. Flips are counted on {counted}.{left}\n\n"
        + table(("load", "choice", "speed (rounds)", "fp32 on ONNX Runtime", "gain"), patterns)
        + "\n\n"
        + table(("way", "off from torch", "best gain", "gate"), ways)
    )


def serving(results: dict[str, Any]) -> str:
    """Tagscope's service beside other model servers, per model."""

    def rate(figure: dict[str, float] | None) -> str:
        return f"{figure['median']:,.0f} ({figure['low']:,.0f} to {figure['high']:,.0f})" if figure else ""

    def tail(run: dict[str, Any] | str, figure: str) -> str:
        return f"{run[figure]['median'] * 1e3:,.3g}" if isinstance(run, dict) and run[figure] else ""

    zipf, parts = results["zipf"], []
    for model, found in results["models"].items():
        titles, servers = found["titles"], found["servers"]
        numbers = list(next(iter(servers.values()))["closed"])
        closed = [
            (
                titles[name],
                found["settings"].get(name, ""),
                *(rate(server["closed"][number]["rate"]) for number in numbers),
                rate(server["zipf"]["rate"]) if server["zipf"] else "",
                f"{server['closed']['64']['core_seconds']['median'] * 1e6:,.0f}",
                f"{server['mib']['median']:,.0f}",
            )
            for name, server in servers.items()
        ]
        opened = [
            (
                titles[name],
                share,
                *(tail(run, figure) for figure in ("p50", "p99", "p999")),
                rate(run["answer_rate"]) if isinstance(run, dict) else run,
                f"{run['void_rounds']} of {run['rounds']}" if isinstance(run, dict) else "",
            )
            for name, server in servers.items()
            for share, run in server["open"].items()
        ]
        ratios = [
            (
                row["load"],
                titles[row["of"]],
                titles[row["to"]],
                f"{row['ratio']['median']:.2f} ({row['ratio']['low']:.2f} to {row['ratio']['high']:.2f})"
                if row["ratio"]
                else "no valid round",
                "" if row["goal"] is None else f"{row['goal']:g}",
                {True: "met", False: "not met", None: ""}[row["met"]],
            )
            for row in found["ratios"]
        ]
        hits = [server["from_cache"]["zipf"] for server in servers.values() if server["from_cache"]["zipf"]]
        again = (
            f" Zipf texts: drawn from {zipf['texts']:,} with exponent {zipf['exponent']:g}; Tagscope's cache answered "
            f"{hits[0]['median']:.0%} of them."
            if hits
            else ""
        )
        said = "".join(f"\n- {sentence}" for sentence in found["complaints"])
        versions = sorted(
            {f"{name} {version}" for each in found["versions"].values() for name, version in each.items()}
        )
        parts.append(
            f"### {model}\n\nTexts: {found['texts']}, no two the same.{again} {', '.join(versions)}.\n\n"
            + table(
                ("server", "settings", *(f"{n} connections, /s" for n in numbers), "Zipf, /s", "core, µs", "MiB"),
                closed,
            )
            + "\n\nOpen loop, Poisson arrivals at a share of what mosec answers at 64 connections; times count from "
            "when a request was due. A round is void where more than 1 % of the planned load was not sent and "
            "answered.\n\n"
            + table(("server", "of mosec", "p50, ms", "p99, ms", "p99.9, ms", "answers /s", "void"), opened)
            + "\n\nTagscope against the others, ratios within a round (for p99, less is better):\n\n"
            + table(("texts", "server", "against", "ratio (rounds)", "goal", ""), ratios)
            + (f"\n\nNot as it should be:\n{said}" if said else "")
        )
    return (
        f"{results['processes']} processes that compute, each on one thread; one text a request; every server with the "
        "same ONNX file (or the same weights), tokenizer and texts, at its best settings; JSON by msgspec wherever a "
        f"server lets one choose. Clients run on the same cores. Median of {results['rounds']} rounds, lowest and "
        "highest in brackets; `core` is what a server spends on a request at 64 connections. "
        "Tagscope as it is shipped: its result cache is on, and no help where no text comes twice."
        "\n\n" + "\n\n".join(parts)
    )


def engine(results: dict[str, Any]) -> str:
    """Speed of the predictor beside that of the bare session."""
    rows = []
    stages = []
    for way, found in results["models"].items():
        for kind, row in found["throughput"].items():
            best, rates, share = row["best"], row["median"], row["share"]
            rows.append(
                (
                    way,
                    kind,
                    f"{rates['raw']:,.0f} (batch {best['batch']}, {best['callers']} x {best['threads']} threads)",
                    *(f"{rates[name]:,.0f} ({share[name]:.0%})" for name in ("stream", "callers")),
                    f"{row['padding']:.0%}",
                )
            )
        for batch, costs in found["stages"].items():
            stages.append((way, batch, *(f"{cost:,.1f}" for cost in costs.values())))
    cached = ", ".join(
        f"{row['median']:.0f} us ({row['p99']:.0f}) for {row['characters']} characters" for row in results["cached"]
    )
    named = next(iter(next(iter(results["models"].values()))["stages"].values()))
    return (
        "Texts per second. The bare session gets padded arrays, sorted by length, at its best batch and threads; "
        "the predictor gets raw texts, cleans, tokenises and answers, without its cache; in brackets its share of the "
        f"bare session. An answer from the cache takes, at the median (99th percentile): {cached}.\n\n"
        + table(("model", "texts", "bare session", "`predict_stream`", "64 callers of one text", "padding"), rows)
        + "\n\nMicroseconds per text of 32 tokens by stage, for so many texts in a call:\n\n"
        + table(("model", "texts", *named), stages)
    )


def memory(results: dict[str, Any]) -> str:
    """Resident memory while shapes vary."""
    shown = 8

    def points(curve: list[Any]) -> list[Any]:
        return [curve[round(part * (len(curve) - 1) / shown)] for part in range(shown + 1)]

    rows = [
        (
            way["way"],
            f"{way['texts']:,}",
            *(f"{size:,.0f}" for _, size in points(way["curve"])),
            f"{way['last_half_growth']:+.1%}",
        )
        for way in results["ways"]
    ]
    minutes = (f"{seconds / 60:.1f} min" for seconds, _ in points(results["ways"][0]["curve"]))
    return (
        "MiniLM behind the predictor, in a process of its own; calls of 1 to 64 texts of 1 to 256 tokens, drawn anew "
        "for each. Resident memory in MiB.\n\n" + table(("way", "texts", *minutes, "last half"), rows)
    )


def overload(results: dict[str, Any]) -> str:
    """Four times the peak, a killed process, an orderly end."""

    def ends(load: dict[str, Any]) -> str:
        return ", ".join(f"{count:,} x {end}" for end, count in sorted(load["ends"].items()))

    def milliseconds(times: dict[str, float]) -> str:
        return f"{times['p50'] * 1e3:,.0f} / {times['p99'] * 1e3:,.0f}" if times else ""

    peaks, floods = results["peaks"], results["overloads"]
    loads = [("64 connections, closed loop", peaks[0])]
    for flood, peak in zip(floods, peaks[1:], strict=True):
        loads += [("four times that, open loop", flood), ("64 connections again", peak)]
    loads += [("half the peak, a process killed", results["killed"]), ("the peak, SIGTERM", results["terminated"])]
    rows = [
        (title, f"{load['rate']:,.0f}", ends(load), milliseconds(load["answers"]), milliseconds(load["rejects"]))
        for title, load in loads
    ]
    shares = ", ".join(f"{share:.2f}" for share in results["shares"])
    client = statistics.median(flood["client_cores"] for flood in floods)
    killed, ended = results["killed"], results["terminated"]
    verdicts = "; ".join(f"{name}: {'yes' if holds else 'no'}" for name, holds in results["verdicts"].items())
    return (
        "MiniLM behind `tagscope api`; the client shares the cores, and takes "
        f"{client:.2f} of them under overload. Throughput as a share of the peaks before and after: {shares}. "
        "After the kill the service was not ready "
        f"from {killed['down_after'] or 0:.2f} s to {killed['back_after'] or 0:.1f} s; after SIGTERM it ended within "
        f"{ended['ended_after']:.1f} s with code {ended['exit_code']}. {verdicts}.\n\n"
        + table(("load", "answers/s", "ends", "answers p50 / p99, ms", "rejects p50 / p99, ms"), rows)
    )


def answers(results: dict[str, Any]) -> str:
    """Answers under concurrency and swaps, compared with those of one thread."""
    return (
        f"{results['answers']:,} answers at {results['rate']:,.0f}/s, {results['cached']:,} of them from the cache, "
        f"during {results['swaps']:,} promotions among {results['runs_seen']} runs. Beyond {results['tolerance']:g} of "
        f"what the named model says in one thread: {results['different']}; with another request's text: "
        f"{results['other_text']}; of another run: {results['other_run']}; without an answer: {results['failed']}. "
        f"Largest difference: {results['largest_difference']:.0e}."
    )
