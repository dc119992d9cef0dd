"""Faster forms of fitted scikit-learn estimators, served only after they gave the estimator's own outputs."""
