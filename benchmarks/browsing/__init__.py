"""What `benchmarks/dashboard.py` is made of: servers, a watched page, what a visitor does on it, and the goals."""
