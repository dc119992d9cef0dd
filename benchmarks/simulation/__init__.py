"""Schedulers in seeded virtual time: the project's own beside baselines and an oracle. See `benchmarks/simulate.py`."""
