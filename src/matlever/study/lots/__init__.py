"""The study of lots: tiles of micrographs whose attributes are the knobs."""
