"""Management over HTTP: our resources under /api/v1, Clipper's routes under /admin, and what operators look at."""
