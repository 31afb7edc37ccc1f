"""Reports: one HTML page a title, one index page a batch; each a single file that works offline."""
