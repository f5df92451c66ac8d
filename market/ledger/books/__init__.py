"""What entries mean: money, energy, bids and meters, replayed by pure functions."""
