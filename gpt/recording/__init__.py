"""The lines of gpt/model.py beside the tensors that each of them made in one forward pass."""
