"""The one-machine stack: Redis, management and the query frontend as supervised processes (extra `[local]`)."""
