"""CLIP-ViP as a laboratory: from raw corpora to ablation tables. See README.md for the map."""

__version__ = "0.1.0"
