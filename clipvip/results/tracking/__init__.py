"""Finished cells as MLflow runs."""
