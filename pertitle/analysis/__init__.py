"""What a title is, and how hard it is to code."""
