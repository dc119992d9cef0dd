"""Bundle.ML, the format that MLeap exports pipelines in: read into the same stages that Spark's own files are."""

from skysail_container.spark.mleap.bundle import is_bundle, load_bundle

__all__ = ["is_bundle", "load_bundle"]
