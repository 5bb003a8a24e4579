"""A run's evaluation as the sections show it: made once per process and run, shared by all visitors."""
