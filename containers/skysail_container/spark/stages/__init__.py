"""One module per family of stages; each registers its classes when it is imported."""
