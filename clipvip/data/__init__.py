"""Clips of a corpus: manifest, frames, texts, batches."""
