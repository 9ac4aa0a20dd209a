"""Editors of tiles: pictures of a material with other attributes."""
