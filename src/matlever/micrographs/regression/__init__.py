"""From a tile to a property of its lot: networks, honest scores, intervals, what was looked at."""
