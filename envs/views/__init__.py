"""The views: PettingZoo, stable-baselines3, Gymnasium; no logic of the market."""
