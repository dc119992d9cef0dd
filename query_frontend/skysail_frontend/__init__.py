"""The Skysail query frontend: predictions over REST, batched against each application's latency objective."""

from skysail_frontend.compiled import use_compiled

__all__: list[str] = []

use_compiled(__path__)
