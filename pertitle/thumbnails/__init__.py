"""Thumbnails: candidates that a person would pick."""
