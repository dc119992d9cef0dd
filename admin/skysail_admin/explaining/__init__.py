"""Where an application's latency goes, and what to do: pure, from two scrapes of the query frontend's metrics."""
