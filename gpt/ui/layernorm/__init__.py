"""The LayerNorm tab."""
