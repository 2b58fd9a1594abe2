"""The two towers, attention, the objective, and checkpoints in and out."""
