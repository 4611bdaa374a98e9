"""What the boxes of the map are called, which lines of the model belong to them, and where more of them is shown."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Box:
    """A box that can be opened."""

    key: str  # in the address: view=KEY
    title: str
    section: str
    said: str  # what it does, in two plain sentences
    idea: str = "weights"  # a colour of the palette
    part: str = ""  # its part of the model, "" for none
    defined: tuple[str, ...] = ()  # the definitions of gpt/model.py that it runs
    calls: tuple[str, ...] = ()  # those of their functions that are shown; () for all that ran on its module
    module: str = ""  # the module's path, {block} filled in
    more: str = ""  # the tab that shows more
    more_said: str = ""
    more_values: dict[str, Any] = field(default_factory=dict)


PROMPT = Box(
    "prompt",
    "Prompt",
    "section 4.7",
    "Text is cut into tokens, and each token is a number of the vocabulary. The model reads these numbers, never "
    "letters.",
    more="generate",
    more_said="Change the prompt on Generate",
)
TOKEN_EMBEDDING = Box(
    "token-embedding",
    "Token embedding",
    "section 4.1",
    "A table with one row for every token of the vocabulary. The row is looked up: it is what the token means before "
    "it has seen its neighbours.",
    "embeddings",
    "tok_emb",
    ("GPTModel",),
    ("GPTModel.embed",),
    more="building-blocks",
    more_said="All shapes on Building blocks",
    more_values={"view": "shapes"},
)
POSITION_EMBEDDING = Box(
    "position-embedding",
    "Position embedding",
    "section 4.1",
    "A second table with one row for every place in the text. Added to the first, it tells the model where a token "
    "stands.",
    "embeddings",
    "pos_emb",
    ("GPTModel",),
    ("GPTModel.embed",),
    more="building-blocks",
    more_said="All shapes on Building blocks",
    more_values={"view": "shapes"},
)
EARLIER = Box("earlier", "Earlier blocks", "section 4.6", "")
BLOCK = Box(
    "block",
    "Transformer block",
    "section 4.5",
    "Attention, then feed-forward, each behind a LayerNorm. What they make is added to what came in, along the "
    "shortcuts: the sum that runs through all blocks is the residual stream.",
    "original",
    "block",
    ("TransformerBlock",),
    ("TransformerBlock.forward",),
    more="inside",
    more_said="The residual stream on Inside",
    more_values={"view": "Residual stream"},
)
NORM1 = Box(
    "norm1",
    "LayerNorm 1",
    "section 4.2",
    "Each token's numbers lose their mean and are divided by their deviation. Scale and shift, learned in training, "
    "then give every feature a size of its own.",
    "norms",
    "norm1",
    ("LayerNorm",),
    module="trf_blocks.{block}.norm1",
    more="layernorm",
    more_said="Before and after on LayerNorm",
    more_values={"norm": "norm1"},
)
ATTENTION = Box(
    "attention",
    "Multi-head attention",
    "section 4.5",
    "Every token asks a question (query), and every earlier one has a label (key): where they fit, its content (value) "
    "is mixed in. Each head does this with questions of its own.",
    "attention",
    "attention",
    ("MultiHeadAttention", "attention_weights"),
    module="trf_blocks.{block}.att",
    more="inside",
    more_said="All heads on Inside",
    more_values={"view": "Attention"},
)
NORM2 = Box(
    "norm2",
    "LayerNorm 2",
    "section 4.2",
    "The sum of what came in and what attention added is normalized again. The stream itself stays as it is: only what "
    "the feed-forward network reads is normalized.",
    "norms",
    "norm2",
    ("LayerNorm",),
    module="trf_blocks.{block}.norm2",
    more="layernorm",
    more_said="Before and after on LayerNorm",
    more_values={"norm": "norm2"},
)
FEED_FORWARD = Box(
    "feed-forward",
    "Feed-forward",
    "section 4.3",
    "Each token alone is expanded to a wider layer, passed through GELU, and contracted again. No token sees another "
    "one here.",
    "feed-forward",
    "feed_forward",
    ("FeedForward", "GELU", "ExactGELU"),
    module="trf_blocks.{block}.ff",
    more="building-blocks",
    more_said="The neurons on Building blocks",
    more_values={"view": "feed-forward"},
)
LATER = Box("later", "Later blocks", "section 4.6", "")
FINAL_NORM = Box(
    "final-norm",
    "Final LayerNorm",
    "section 4.6",
    "The last normalization, after all blocks: the output head always reads numbers of about the same size.",
    "norms",
    "final_norm",
    ("LayerNorm",),
    module="final_norm",
    more="layernorm",
    more_said="Before and after on LayerNorm",
    more_values={"norm": "final_norm"},
)
OUTPUT_HEAD = Box(
    "output-head",
    "Output head",
    "section 4.6",
    "One row for every token of the vocabulary is multiplied with the token's last vector: the products are the "
    "logits, a score for every token that could come next.",
    "output head",
    "output_head",
    ("GPTModel",),
    ("GPTModel.hidden", "GPTModel.forward"),
    more="inside",
    more_said="What it reads at every depth: Logit lens",
    more_values={"view": "Logit lens"},
)
SOFTMAX = Box(
    "softmax",
    "Softmax",
    "section 4.7",
    "e to the power of every logit, divided by the sum of all of them: the logits become probabilities that add up "
    "to 1.",
    "kept",
    more="probabilities",
    more_said="Every candidate on Probabilities",
)
TOKEN = Box(
    "token",
    "Next token",
    "section 4.7",
    "One token is drawn by these probabilities and appended to the text. Then everything begins again, with a text "
    "that is one token longer.",
    "kept",
    more="probabilities",
    more_said="Draw another one on Probabilities",
)

# In the order of the data, which is that of the keyboard.
BOXES = {
    box.key: box
    for box in (
        PROMPT,
        TOKEN_EMBEDDING,
        POSITION_EMBEDDING,
        EARLIER,
        BLOCK,
        NORM1,
        ATTENTION,
        NORM2,
        FEED_FORWARD,
        LATER,
        FINAL_NORM,
        OUTPUT_HEAD,
        SOFTMAX,
        TOKEN,
    )
}

SHAPE, PARAMETERS, FLOPS, LENGTH = "Shape", "Parameters", "FLOPs", "Length"
CARRIED = {
    SHAPE: "On every box the shape of what it makes: batch × tokens × numbers.",
    PARAMETERS: "In every box the numbers that it learned in training.",
    FLOPS: "In every box its share of the operations for these tokens: matrix products only, which are nearly all.",
    LENGTH: "On every line the length of the selected token's vector there; in a box, the length of what it makes.",
}
