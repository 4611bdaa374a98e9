"""What the words of the page mean: one glossary, from which every hint comes."""

import re
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Word:
    """One or two plain sentences, the section of the book that explains it, and other forms that are found in text."""

    said: str
    section: str
    forms: tuple[str, ...] = ()


GLOSSARY: dict[str, Word] = {
    "token": Word("A piece of text that the model reads or writes at once: a word, a part of one, or a sign.", "2.2"),
    "vocabulary": Word("All tokens that a model knows, each with a number. GPT-2 has 50,257.", "2.3"),
    "prompt": Word("The text that you give the model to continue.", "4.7"),
    "context": Word(
        "How many tokens the model can read at once. Of a longer text it reads only the end.",
        "4.7",
        ("context length",),
    ),
    "batch": Word("Several texts that go through the model together.", "4.1", ("batch size",)),
    "parameter": Word("A number that training changes. All of them together are what the model has learned.", "4.6"),
    "weights": Word(
        "The parameters of a layer, as a table of numbers that its input is multiplied with.", "4.6", ("weight",)
    ),
    "embedding": Word(
        "The row of numbers that stands for a token, or for a place in the text, before the first block.", "2.7"
    ),
    "block": Word(
        "Attention and feed-forward, each with a LayerNorm and a shortcut. The model is a stack of blocks.",
        "4.5",
        ("transformer block",),
    ),
    "attention": Word(
        "The step in which a token looks at the tokens before it and takes over something of what they hold.", "3.6"
    ),
    "head": Word(
        "One of several attentions that work side by side in a block, each with queries and keys of its own.",
        "3.6",
        ("attention head",),
    ),
    "induction": Word(
        "What a head does that finds the same token earlier and looks at what followed it: it continues repetitions.",
        "3.6",
    ),
    "query": Word("What a token looks for in the tokens before it, as a row of numbers.", "3.4", ("queries",)),
    "key": Word("What a token offers to be found by, as a row of numbers that is compared with queries.", "3.4"),
    "value": Word("What a token passes on to those that look at it, as a row of numbers.", "3.4"),
    "mask": Word("It hides the tokens that are still to come, so that each token sees only earlier ones.", "3.5"),
    "residual stream": Word("The sum that runs through all blocks: each one reads it, and adds what it found.", "4.4"),
    "shortcut": Word(
        "A path around a layer: what goes in is added to what comes out. Gradients take it back undiminished.",
        "4.4",
        ("shortcut connection",),
    ),
    "LayerNorm": Word(
        "It gives the numbers of a token mean 0 and variance 1, then a learned scale and shift.", "4.2", ("norm",)
    ),
    "mean": Word("The average: the sum of the numbers, divided by how many there are.", "4.2"),
    "variance": Word(
        "How far numbers lie from their mean: the average of the squared distances.", "4.2", ("biased var.",)
    ),
    "deviation": Word(
        "The square root of the variance: about how far a number usually lies from the mean.",
        "4.2",
        ("standard deviation",),
    ),
    "eps": Word("A tiny number added to the variance, so that nothing is ever divided by 0.", "4.2"),
    "scale": Word("What a LayerNorm multiplies each feature with after normalizing. It is learned.", "4.2"),
    "shift": Word("What a LayerNorm adds to each feature in the end. It is learned.", "4.2"),
    "feature": Word("One of the numbers that describe a token inside the model.", "4.2"),
    "feed-forward": Word(
        "Two layers that work on each token alone: to four times the width, through GELU, and back.", "4.3"
    ),
    "neuron": Word("One of the numbers in the wide middle of a feed-forward network.", "4.3"),
    "GELU": Word("A smooth curve: it lets large numbers through and holds back negative ones.", "4.3"),
    "gradient": Word("How much the error would change if a number changed a little. Training follows it.", "4.4"),
    "dropout": Word("While training, some numbers are set to 0 at random, so that no single one is relied on.", "3.5"),
    "logit": Word(
        "The score that the model gives a token as the next one, before softmax makes it a probability.", "4.6"
    ),
    "output head": Word("The last layer: it turns a token's vector into a logit for every token there is.", "4.6"),
    "softmax": Word(
        "It turns scores into probabilities: e to the power of each score, divided by the sum of all of them.", "4.7"
    ),
    "probability": Word("How often a token would come here if the model went on from this text many times.", "4.7"),
    "rank": Word("A token's place when all tokens are sorted by probability: 1 is the likeliest.", "4.7"),
    "temperature": Word(
        "Logits are divided by it before softmax: below 1 the likeliest tokens win more often, above 1 less.", "5.3"
    ),
    "top-k": Word("Only the k likeliest tokens can be drawn, the others are cut off.", "5.3"),
    "top-p": Word("Only the likeliest tokens that together have this probability can be drawn.", "5.3"),
    "greedy": Word("Always the likeliest token: nothing is random, and the text is the same every time.", "4.7"),
    "seed": Word("A number that decides all random draws: the same seed writes the same text again.", "4.6"),
    "entropy": Word(
        "How open the choice is, in bits: 0 when one token is certain, 1 for a coin, more for more tokens.", "5.1"
    ),
    "surprisal": Word("How surprising a token was, in bits: each bit halves its probability.", "5.1"),
    "perplexity": Word(
        "Among how many equally likely tokens the model seemed to choose, on average. Lower is better.", "5.1"
    ),
    "divergence": Word(
        "How far one distribution of next tokens lies from another, in bits or nats: 0 when they are the same.",
        "5.1",
        ("KL",),
    ),
    "log p": Word(
        "The natural logarithm of a probability: 0 where a token is certain, −0.7 for one half, ever lower below.",
        "5.1",
    ),
    "nat": Word("The unit of a natural logarithm: 1 nat more makes a probability 2.7 times as large.", "5.1"),
    "loss": Word(
        "How wrong the predictions were: the mean surprisal of the tokens that came. Training lowers it.", "5.1"
    ),
    "FLOPs": Word(
        "Operations with numbers, such as one product or one sum. They say how much there is to compute.", "4.6"
    ),
    "KV cache": Word(
        "Keys and values of the tokens read so far, kept so that a new token needs only its own work.", "4.7"
    ),
    "precision": Word(
        "In how many bits each weight is kept. Fewer are smaller and faster, and a little less exact.", "4.6"
    ),
    "logit lens": Word(
        "The output head applied in the middle of the model: which token it would answer if it ended there.",
        "4.6",
        ("lens",),
    ),
    "attribution": Word("Which parts of the model raised the score of the token, and which lowered it.", "4.5"),
    "ablation": Word("A part is switched off, to see what changes without it.", "4.5"),
    "patching": Word(
        "A number of one text is put into the pass of another, to see whether it carries the answer.", "4.5"
    ),
    "occlusion": Word("A token of the prompt is hidden, to see how much the answer depends on it.", "4.7"),
}

_OF_FORM = {
    form.lower(): name
    for name, word in GLOSSARY.items()
    for base in (name, *word.forms)
    for form in (base, f"{base}s", f"{base}es")
}
# The longest form first: "residual stream" before "stream".
_FORMS = re.compile(
    rf"(?<![\w-])({'|'.join(map(re.escape, sorted(_OF_FORM, key=len, reverse=True)))})(?![\w-])", re.IGNORECASE
)


def hinted(text: str) -> str:
    """HTML of plain text in which the first mention of each word of the glossary has its hint."""
    seen: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        name = _OF_FORM[match[0].lower()]
        if name in seen:
            return match[0]
        seen.add(name)
        return f'<span class="term" tabindex="0" data-term="{escape(name)}">{match[0]}</span>'

    return _FORMS.sub(mark, escape(text))


def forms() -> dict[str, str]:
    """Every form in lower case, and the word it belongs to."""
    return dict(_OF_FORM)
