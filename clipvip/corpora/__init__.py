"""Readers of public annotation formats, one a file, each to a manifest (paper sections 3.1 and 4.1)."""
