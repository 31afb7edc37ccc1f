"""Ranking thumbnails by what viewers click: log, database, model, evaluation, stopping rule."""
