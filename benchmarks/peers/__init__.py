"""The servers that one would pick instead of Skysail, each in an environment of its own: see README.md here."""
