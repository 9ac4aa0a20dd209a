"""What edited pictures are worth: meters, judges and the report card."""
