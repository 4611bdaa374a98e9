"""Views that tell why a token came, for the Probabilities and the Inside tab."""
