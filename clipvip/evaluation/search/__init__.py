"""Search in a folder of videos: stretches of each video as embeddings, kept on disk, ranked for a text or a video."""
