"""What is predicted while one knob is turned, or two."""
