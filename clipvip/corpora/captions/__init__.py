"""Captions of frames: made here or elsewhere."""
