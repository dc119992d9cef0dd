"""The Skysail query frontend: predictions over REST, batched against each application's latency objective."""

__all__: list[str] = []
