"""Drawing a run in the terminal: a live view for people, plain lines for pipes."""
