"""`/docs`: a page that shows `openapi.json` and lets one try `/predict`; nothing of it comes from another host."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from typing import Any

from engine.api.openapi import EXAMPLE_TEXT, EXAMPLE_TOP_K
from engine.api.page_script import SCRIPT
from engine.api.page_style import STYLE
from engine.api.problems import KINDS

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%230b62a8' "
    "d='M1 2h7l7 6-7 6H1z'/%3E%3Ccircle cx='5' cy='8' r='1.6' fill='white'/%3E%3C/svg%3E"
)
_GROUPS = {
    "Predict": ("/predict",),
    "Runs": ("/runs", "/runs/{run_id}", "/runs/{run_id}/promote"),
    "Cache": ("/cache", "/cache/{run_id}"),
    "Operations": ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"),
}


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_hash(STYLE)}",
        f"script-src {_hash(SCRIPT)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of the page."""


def page(document: dict[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    document
        From `engine.api.openapi.document`.
    """
    info, schemas = document["info"], document["components"]["schemas"]
    operations = "".join(
        f"<h2>{name}</h2>" + "".join(_operations(path, document["paths"][path], schemas) for path in paths)
        for name, paths in _GROUPS.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tagscope API</title>
<link rel="icon" href="{_ICON}">
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Tagscope API</h1>
<span id="state" class="pill" role="status">Asking...</span>
<span class="grow"></span>
<a href="/openapi.json">openapi.json</a>
<button id="theme" class="small" type="button">Dark theme</button>
<p class="lead">{escape(info["description"])} Version {escape(info["version"])}.</p>
</header>
<main>
{_form()}
{operations}
<h2>Problems</h2>
<p>What is not answered is explained by a problem (RFC 9457, <code>application/problem+json</code>): <code>type</code>
leads to a line of this table, <code>detail</code> says in one sentence what is wrong and what to do.</p>
<div class="card problems"><table>{"".join(_problem(kind) for kind in KINDS)}</table></div>
<footer>This page is made from <a href="/openapi.json">openapi.json</a>, which is made from the records of the
service itself.</footer>
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _form() -> str:
    return f"""<h2>Try it</h2>
<section class="card try">
<form id="ask">
<label>Texts, one per line<textarea id="texts" rows="4" required>{escape(EXAMPLE_TEXT)}</textarea></label>
<div class="row">
<label>Run<select id="run"><option value="">The promoted run</option></select></label>
<label>Top k<input id="top_k" type="number" min="1" value="{EXAMPLE_TOP_K}"></label>
<label>Threshold<input id="threshold" type="number" min="0" max="1" step="any" value="0"></label>
</div>
<label>Key, where the service asks for one<input id="key" type="password" autocomplete="off"></label>
<button id="send" class="main">Predict</button>
<h3>The same in a shell <button id="copy" class="small" type="button">Copy</button></h3>
<pre id="command"></pre>
</form>
<div aria-live="polite">
<div id="answers"><p class="empty">Answers appear here.</p></div>
<details hidden><summary>Show the answer's JSON</summary>
<pre id="raw"></pre></details>
</div>
</section>"""


def _operations(path: str, item: dict[str, Any], schemas: dict[str, Any]) -> str:
    return "".join(
        _operation(path, method, operation, schemas)
        for method, operation in item.items()
        if method in ("get", "post", "delete")
    )


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    inside = [f"<p>{_prose(operation['description'])}</p>"]
    if body := operation.get("requestBody"):
        inside.append(f"<h3>Body</h3>{_fields(body['content']['application/json']['schema'], schemas)}")
    (media, content), *_ = operation["responses"]["200"]["content"].items()
    if "$ref" in content["schema"]:
        inside.append(f"<h3>Answer</h3>{_fields(content['schema'], schemas)}")
    else:
        inside.append(f"<h3>Answer</h3><p><code>{escape(media)}</code></p>")
    statuses = "".join(
        f"<tr><th>{status}</th><td>{_prose(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    inside.append(f"<h3>Statuses</h3><table>{statuses}</table>")
    key = '<span class="lock">key</span>' if operation.get("security") else ""
    return (
        f'<details class="card operation" id="{escape(operation["operationId"])}"><summary>'
        f'<span class="method {method}">{method.upper()}</span><span class="path">{escape(path)}</span>'
        f'<span class="summary">{_prose(operation["summary"])}</span>{key}</summary>'
        f'<div class="inside">{"".join(inside)}</div></details>'
    )


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return a table of a record's fields, those of the records in it included."""
    record = schemas[_name(schema)]
    rows = []
    for name, field in record["properties"].items():
        rows.append(
            f'<tr><th>{escape(name)}</th><td class="kind">{escape(_kind(field))}</td>'
            f"<td>{_prose(field.get('description', ''))}{_required(name, record)}</td></tr>"
        )
    return f'<table class="fields">{"".join(rows)}</table>' + "".join(
        f'<h3 class="record">{_name(inner)}</h3>{_fields(inner, schemas)}' for inner in _records_in(record)
    )


def _records_in(record: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for field in record["properties"].values():
        items = field.get("items", {})
        for each in (items, *items.get("anyOf", ())) if isinstance(items, dict) else ():
            if "$ref" in each:
                found.append(each)
    return found


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return _name(field)
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"])
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(field.get('items') or {})}"
    limits = [f"{sign} {field[word]}" for word, sign in (("minimum", "≥"), ("maximum", "≤")) if word in field]
    return " ".join([kind, *limits])


def _required(name: str, record: dict[str, Any]) -> str:
    optional = name not in record.get("required", ())
    if not optional or record.get("additionalProperties") is not False:
        return ""
    return ' <span class="empty">Optional.</span>'


def _problem(kind: Any) -> str:
    return (
        f'<tr id="{escape(kind.type.partition("#")[2])}"><th>{kind.status}</th><th>{escape(kind.name)}</th>'
        f"<td>{_prose(kind.meaning)}</td></tr>"
    )


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _prose(text: str) -> str:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
