"""One file a format: which columns it holds, and its rows in chunks."""
