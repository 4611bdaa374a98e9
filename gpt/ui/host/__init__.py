"""Serving the page to strangers: what is open, who may ask, how much each may take, how it starts and ends."""
