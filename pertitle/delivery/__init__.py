"""A title's way: batch, title, planning, renditions, correction, package."""
