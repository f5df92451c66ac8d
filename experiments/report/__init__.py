"""Shows an evaluation as one page of HTML; plays no episode and trains no policy."""
