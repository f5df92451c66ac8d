"""One page of HTML, its figures and tables."""
