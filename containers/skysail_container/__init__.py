"""The Skysail model container: loads one model version and answers batches over msgpack RPC."""

from skysail_container.compiled import FORM

__all__: list[str] = []

__path__ = FORM.search_path(__path__)
