"""What entries mean, replayed by pure functions: money, energy, bids and meters; knows no file and no simulation."""
