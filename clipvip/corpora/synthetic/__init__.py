"""The miniature world: scenes, their language, and writers of real files in the public formats."""
