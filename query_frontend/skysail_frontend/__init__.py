"""The Skysail query frontend: predictions over REST, batched against each application's latency objective."""

from skysail_frontend.compiled import FORM

__all__: list[str] = []

__path__ = FORM.search_path(__path__)
