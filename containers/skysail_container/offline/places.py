"""Names that a job uses beside its output. Spark's readers leave out what begins with an underscore."""

__all__ = ["DONE", "PREPARED", "SPLIT"]

DONE = "_skysail/done"
"""Files without content, one for each chunk that is done: NAME.ROWS.ERRORS."""

PREPARED = "_skysail/rows"
"""What a query gave, or rows spread anew, kept until the job is done: neither comes in the same order twice."""

SPLIT = "_skysail_split"
"""The column that says which part of which input file a row is from; rows of one part keep their order."""
