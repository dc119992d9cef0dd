"""From what the user has (an estimator, a function, a folder) to an artifact: a zip that its sha256 names."""
