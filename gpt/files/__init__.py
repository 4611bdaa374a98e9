"""Model files: safetensors layouts, configurations and the Hub, to and from a GPTModel."""
