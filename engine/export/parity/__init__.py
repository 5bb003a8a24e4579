"""Do two ways to compute a model give the same answers? Cases, backends to judge by, comparison, first divergence."""
