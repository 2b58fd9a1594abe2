"""What a search finds, shown: film strips, a page that reads offline, and the same in a browser."""
