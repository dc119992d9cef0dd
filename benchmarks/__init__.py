"""Load generators, baselines and the comparison of Skysail with them. Not a distribution: run from the checkout."""
