"""One module per framework, each with a `load`; `registry` picks by the manifest's framework."""
