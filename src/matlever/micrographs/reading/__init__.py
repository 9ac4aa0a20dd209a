"""Lots of tiles: files to a checked data set, bad tiles left out and counted."""
