"""Series made by chance, each from a stream of its own; knows neither forecasts nor episodes."""
