"""`openapi.json`, made from the records that go over the wire and the problems that are answered."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from engine.api import problems, records
from engine.api.problems import MEDIA_TYPE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.settings import ApiSettings

_REFERENCES = "#/components/schemas/{name}"
_RECORDS = (
    records.PredictRequest,
    records.PredictAnswer,
    records.AnsweredText,
    records.RefusedText,
    records.RunList,
    records.RunDetail,
    records.Promoted,
    records.Cleared,
    records.Alive,
    records.Ready,
    records.Problem,
)
EXAMPLE_TEXT = "Transfer learning with transformers for text classification"
EXAMPLE_TOP_K = 3
# Of every address: a method it does not take never comes to the handler, and a fault of ours may happen anywhere.
_ALWAYS = (problems.BROKEN,)
_KEY = (problems.NO_KEY, problems.KEYLESS)


def document(settings: ApiSettings) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the service.

    Parameters
    ----------
    settings
        Its limits stand in the document.
    """
    user = () if settings.open_predict else _KEY
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tagscope",
            "version": importlib.metadata.version("tagscope"),
            "description": "Tags of texts, by the runs that Tagscope has trained or imported.",
        },
        "paths": {
            "/predict": {
                "post": _operation(
                    "predict",
                    "Predict the tag of each text",
                    "The texts of a request are answered by one run. A text that cannot be answered gets its own "
                    "`error` beside the answers to the others. Under overload requests are refused at once.",
                    records.PredictAnswer,
                    (
                        *user,
                        problems.NOT_JSON,
                        problems.NO_RUN,
                        problems.SLOW_BODY,
                        problems.TOO_LARGE,
                        problems.TOO_MANY,
                        problems.MEDIA,
                        problems.INVALID,
                        problems.REFUSED,
                        problems.OVERLOADED,
                        problems.NOTHING_PROMOTED,
                        problems.NOT_READY,
                        problems.DAMAGED,
                        problems.LATE,
                    ),
                    body=True,
                    guarded=bool(user),
                ),
            },
            "/runs": {
                "get": _operation(
                    "listRuns",
                    "List the runs, newest first",
                    "`served` is the one that answers where none is named: the promoted one, once it is loaded.",
                    records.RunList,
                    (*user, problems.OVERLOADED),
                    guarded=bool(user),
                ),
            },
            "/runs/{run_id}": {
                "parameters": [_run_id()],
                "get": _operation(
                    "describeRun",
                    "Describe a run",
                    "With its parameters and how well it did on its held-out rows.",
                    records.RunDetail,
                    (*user, problems.NO_RUN, problems.OVERLOADED, problems.DAMAGED),
                    guarded=bool(user),
                ),
            },
            "/runs/{run_id}/promote": {
                "parameters": [_run_id()],
                "post": _operation(
                    "promoteRun",
                    "Let a run answer",
                    "Answers when every process serves the run: no later answer is by another one. No request fails "
                    "meanwhile.",
                    records.Promoted,
                    (
                        *_KEY,
                        problems.NO_RUN,
                        problems.NO_MODEL,
                        problems.OVERTAKEN,
                        problems.OVERLOADED,
                        problems.NOT_READY,
                        problems.DAMAGED,
                        problems.DRAINING,
                    ),
                    guarded=True,
                ),
            },
            "/cache": {
                "delete": _operation(
                    "clearCache",
                    "Forget all cached results",
                    "Answers when every process has forgotten them.",
                    records.Cleared,
                    (*_KEY, problems.FEW_READY),
                    guarded=True,
                ),
            },
            "/cache/{run_id}": {
                "parameters": [_run_id()],
                "delete": _operation(
                    "clearCacheOfRun",
                    "Forget the cached results of a run",
                    "Answers when every process has forgotten them.",
                    records.Cleared,
                    (*_KEY, problems.NO_RUN, problems.OVERLOADED, problems.DAMAGED, problems.FEW_READY),
                    guarded=True,
                ),
            },
            "/healthz": {
                "get": _operation("health", "Is the process alive?", "Says nothing about runs.", records.Alive, ()),
            },
            "/readyz": {
                "get": _operation(
                    "readiness",
                    "Can the service answer now?",
                    "Only while as many processes can answer as `api.ready_processes` asks for.",
                    records.Ready,
                    (problems.NOTHING_PROMOTED, problems.DAMAGED, problems.FEW_READY, problems.DRAINING),
                ),
            },
            "/metrics": {
                "get": _operation(
                    "metrics",
                    "Metrics for Prometheus",
                    "Summed over all processes, whichever answers.",
                    CONTENT_TYPE_LATEST,
                    (),
                ),
            },
            "/openapi.json": {
                "get": _operation("openapi", "This document", "OpenAPI 3.1.", "application/json", ()),
            },
            "/docs": {
                "get": _operation("docs", "A page that shows it", "Loads nothing from elsewhere.", "text/html", ()),
            },
        },
        "components": {
            "schemas": _schemas(settings),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "`api.key`"}},
        },
    }


def _schemas(settings: ApiSettings) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(_RECORDS, ref_template=_REFERENCES)
    schemas: dict[str, Any] = dict(components)
    # msgspec cannot tell two untagged records apart when it reads, so the record says "anything"; it writes these two.
    schemas["PredictAnswer"]["properties"]["predictions"] = {
        "type": "array",
        "items": {"anyOf": [_reference(records.AnsweredText), _reference(records.RefusedText)]},
    }
    schemas["PredictRequest"]["properties"]["texts"]["maxItems"] = settings.max_texts
    return schemas


def _operation(
    name: str,
    summary: str,
    description: str,
    answer: type[msgspec.Struct] | str,
    kinds: Iterable[Kind],
    *,
    body: bool = False,
    guarded: bool = False,
) -> dict[str, Any]:
    if isinstance(answer, str):
        schema: dict[str, Any] = {"type": "object"} if answer == "application/json" else {"type": "string"}
        answered = {"description": "As asked for", "content": {answer: {"schema": schema}}}
    else:
        answered = {
            "description": (answer.__doc__ or "").splitlines()[0],
            "content": {"application/json": {"schema": _reference(answer)}},
        }
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": description,
        "responses": {"200": answered, **_problems((*kinds, *_ALWAYS))},
    }
    if body:
        schema = _reference(records.PredictRequest)
        found["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "example": {"texts": [EXAMPLE_TEXT], "top_k": EXAMPLE_TOP_K}}
            },
        }
    if guarded:
        found["security"] = [{"key": []}]
    return found


def _problems(kinds: Iterable[Kind]) -> dict[str, Any]:
    """Answers other than 200, by status; several kinds of problem may have one status."""
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        str(status): {
            "description": " ".join(f"{kind.title}: {kind.meaning}" for kind in same),
            "content": {MEDIA_TYPE: {"schema": _reference(records.Problem)}},
            **_headers(status),
        }
        for status, same in sorted(by_status.items())
    }


def _headers(status: int) -> dict[str, Any]:
    retry = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
    match status:
        case 429 | 503:
            return {"headers": retry}
        case 401:
            return {"headers": {"WWW-Authenticate": {"schema": {"type": "string"}}}}
    return {}


def _run_id() -> dict[str, Any]:
    return {"name": "run_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": records.RUN_ID}}


def _reference(record: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCES.format(name=record.__name__)}
