"""A page on which one can watch an episode: what happened, as plain numbers, and the page that shows them."""
