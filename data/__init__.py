"""What the world is: units, arrays, calendar, chance, series, feeders. It knows no market and no agent."""
