"""One module per family of stages: the pipelines whose outputs are stored."""
