"""Offline predictions: a model version over a whole table with PySpark, answered as its container answers online."""
