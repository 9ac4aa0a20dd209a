"""Which knob matters around a sample: LIME, its designs, its results."""
