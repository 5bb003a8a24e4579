"""The predictor's interface over HTTP, and the choice between it and the predictor of this process: no torch."""
