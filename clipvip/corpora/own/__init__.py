"""A user's own folder of videos: what lies in it, its captions, and the splits they fall into."""
