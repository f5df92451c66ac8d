"""Series made by chance: load, sun, weather, wind, prices and charging sessions."""
