"""From a plan to files: probe encodes, renditions, verification, sound and packages."""
