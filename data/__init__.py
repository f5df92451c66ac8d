"""What the world is: units, arrays, calendar, chance, series, feeders."""
