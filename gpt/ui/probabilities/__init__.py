"""The Probabilities tab."""
