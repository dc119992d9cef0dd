"""Spark's SQL for one row at a time: what SQLTransformer needs of it, parsed and compiled without Spark."""
