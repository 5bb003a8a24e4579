"""`openapi.json` against what the service does: many made-up requests, each answered as the document says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from engine.api.metrics import GONE, ROUTES, STATUSES
from engine.api.problems import KINDS, public
from tests.api.running import KEY, ROOT, Api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api(processes=1)


def test_the_service_does_what_its_document_says(api: Api, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json", "--no-color"),
            *("--checks", "all", "--generation-deterministic", "--max-examples", "20"),
            # A text may fit the schema and have no words: that is 422, as the document says.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--phases", "examples,coverage,fuzzing", "-H", f"Authorization: Bearer {KEY}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    line = 'tagscope_requests_total{{route="{}",status="500"}}'
    assert [api.metric(line.format(route)) for route in ROUTES] == [0.0] * len(ROUTES)


def test_the_document_has_every_address_and_every_status(api: Api) -> None:
    document = api.ask("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == set(ROUTES) - {"other"}
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["responses"]) >= {"200", "400", "404", "408", "413", "415", "422", "429", "500", "503"}
    assert document["components"]["schemas"]["PredictRequest"]["properties"]["texts"]["maxItems"] == 256
    assert "security" in document["paths"]["/runs/{run_id}/promote"]["post"]
    example = predict["requestBody"]["content"]["application/json"]["example"]
    assert api.ask("POST", "/predict", example).status == 200


def test_every_problem_can_be_counted_and_is_explained(api: Api) -> None:
    page = api.ask("GET", "/docs").body.decode()
    assert {kind.status for kind in KINDS} | {200, GONE} == set(STATUSES)
    for kind in KINDS:
        assert f'id="{kind.type.partition("#")[2]}"' in page
    assert len({kind.name for kind in KINDS}) == len(KINDS) > 15


def test_a_service_that_needs_the_key_says_so_in_its_document(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1, api__open_predict="false")
    paths = api.ask("GET", "/openapi.json").json["paths"]
    for path, method in (("/predict", "post"), ("/runs", "get"), ("/runs/{run_id}", "get")):
        assert paths[path][method]["security"] == [{"key": []}]
        assert {"401", "403"} <= set(paths[path][method]["responses"])


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("/home/a b/data/runs/1/model.onnx: the file was changed.", "model.onnx: the file was changed."),
        ("/home/me/runs/1/run.json: names run 2; it's wrong.", "run.json: names run 2; it's wrong."),
        ("The file '/etc/x/y.json' and C:\\Users\\me\\run.json are gone.", "The file 'y.json' and run.json are gone."),
        ("config/run_id.txt holds 1/2 of it, and 3 m/s.", "config/run_id.txt holds 1/2 of it, and 3 m/s."),
        ("Choose input/output or `tagscope import --help`.", "Choose input/output or `tagscope import --help`."),
        (f"{ROOT}: no.", f"{ROOT.name}: no."),
    ],
)
def test_folders_are_not_told(sentence: str, told: str) -> None:
    assert public(sentence) == told


def test_the_document_is_plain_json(api: Api) -> None:
    assert json.dumps(api.ask("GET", "/openapi.json").json, allow_nan=False)
