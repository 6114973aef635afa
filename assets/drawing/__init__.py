"""Scenes drawn by program, with their exact truth."""
