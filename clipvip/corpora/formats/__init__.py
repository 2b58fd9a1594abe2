"""Readers of public annotation formats."""
