"""What to change so that a prediction reaches a goal."""
