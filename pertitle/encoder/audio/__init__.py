"""Sound: what a track holds, how it is coded, how well it sounds."""
