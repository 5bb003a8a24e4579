from __future__ import annotations

import numpy as np
import pandas as pd

from engine.evaluation.estimates import reports
from engine.pipeline.judge import judge


def test_the_interval_of_a_run_is_the_one_that_the_report_shows() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice(["a", "b", "new"], 60).astype(object)
    predicted = np.where(rng.random(60) < 0.7, true, "a")
    frame = pd.DataFrame({"text": "some words", "tag": true})
    found = judge(frame, predicted, ["a", "b"], {})
    f1 = reports(true, predicted, ["a", "b"])[0].weighted.f1
    assert found["intervals"] == {"confidence": 0.95, "overall": {"f1": [f1.low, f1.high]}}
    assert f1.low < found["overall"]["f1"] < f1.high
