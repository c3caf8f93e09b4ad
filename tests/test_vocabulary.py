"""No page leans on a word of the field before a reader can know it.

A word has a home: the chapter that explains it. A page that stands before that chapter may use the
word if its first use there is a link, to the glossary or to the place that explains it. Words that
no chapter makes its own have their home in the glossary, and every page links its first use.
"""

import re

import pytest

from tests.test_book import notebook, pages_of_the_book

FOUNDATIONS, TRAINING = "book/foundations/", "book/training/"
# What a word looks like in running text, and its home; None is the glossary.
WORDS: dict[str, tuple[str, str | None]] = {
    "kernel": (r"kernels?", FOUNDATIONS + "why-convolution"),
    "feature map": (r"feature maps?", FOUNDATIONS + "why-convolution"),
    "equivariance": (r"equivarian(?:ce|t)", FOUNDATIONS + "why-convolution"),
    "fully connected": (r"fully connected", FOUNDATIONS + "why-convolution"),
    "ReLU": (r"ReLUs?", FOUNDATIONS + "why-convolution"),
    "stride": (r"strides?", FOUNDATIONS + "arithmetic"),
    "padding": (r"padding", FOUNDATIONS + "arithmetic"),
    "receptive field": (r"receptive fields?", FOUNDATIONS + "receptive-fields"),
    "softmax": (r"softmax", TRAINING + "what-training-is"),
    "cross-entropy": (r"cross-entropy", TRAINING + "what-training-is"),
    "loss": (r"loss(?:es)?", TRAINING + "what-training-is"),
    "gradient": (r"gradients?", TRAINING + "what-training-is"),
    "momentum": (r"momentum", TRAINING + "what-training-is"),
    "AdamW": (r"AdamW", TRAINING + "what-training-is"),
    "one-cycle": (r"one-cycle", TRAINING + "what-training-is"),
    "learning rate": (r"learning rates?", TRAINING + "what-training-is"),
    "over-fitting": (r"over-?fit(?:ting|s)?", TRAINING + "what-training-is"),
    "Toeplitz": (r"Toeplitz", FOUNDATIONS + "matrices"),
    "im2col": (r"im2col", FOUNDATIONS + "matrices"),
    "pooling": (r"(?:max|mean|average) pooling", FOUNDATIONS + "pooling"),
    "grouped convolution": (r"grouped convolutions?", FOUNDATIONS + "groups"),
    "depthwise": (r"depthwise", FOUNDATIONS + "groups"),
    "transposed convolution": (r"transposed convolutions?", FOUNDATIONS + "transposed"),
    "gridding": (r"gridding", FOUNDATIONS + "dilated"),
    "batch normalisation": (r"batch norm(?:alisation)?", TRAINING + "normalisation"),
    "dropout": (r"dropout", TRAINING + "dropout"),
    "weight decay": (r"weight decay", TRAINING + "rates"),
    "Jacobian": (r"Jacobians?", None),
    "SVD": (r"SVD|singular values?", None),
    "R²": (r"R²|R\^2", None),
    "meta device": (r"meta device", None),
    "label smoothing": (r"label smoothing", "book/architectures/inception_v3"),
}
# References have no prose of their own to lean on anything.
PAGES = [page for page in pages_of_the_book() if page not in ("book/glossary", "book/bibliography")]
LINK = re.compile(
    r"\{(?:term|ref|doc|eq|numref)\}`[^`]*`|\[[^\]]*\]\([^)\s]+\)|\[[^\]]*\]\[[^\]]*\]"
)
NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|^#.*?$|^\([^)\n]*\)=$|^:::.*?$|^:\w+:.*?$|^%.*?$|<[^>]*>",
    re.DOTALL | re.MULTILINE,
)


def unlinked_first_use(prose: str, pattern: str) -> str | None:
    """The line in which a page first uses a word, if that use is no link; else None."""
    word = re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE)
    hidden = [match.span() for match in NOT_PROSE.finditer(LINK.sub(blank_out, prose))]
    links = [match.span() for match in LINK.finditer(prose)]
    for match in word.finditer(prose):
        if any(start <= match.start() < end for start, end in links):
            return None
        if not any(start <= match.start() < end for start, end in hidden):
            start, end = prose.rfind("\n", 0, match.start()) + 1, prose.find("\n", match.end())
            return prose[start : end if end >= 0 else None]
    return None


def blank_out(match: re.Match) -> str:
    """Something of a link's length that is neither code nor a mark."""
    return "_" * len(match[0])


def prose_of(page: str) -> str:
    return "\n\n".join(cell.source for cell in notebook(page).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", PAGES)
def test_a_word_is_explained_before_it_is_leant_on_or_linked(page):
    place = PAGES.index(page)
    prose = prose_of(page)
    bare = {}
    for name, (pattern, home) in WORDS.items():
        if (home is None or place < PAGES.index(home)) and (
            line := unlinked_first_use(prose, pattern)
        ):
            bare[name] = line
    assert not bare, bare


@pytest.mark.parametrize(
    ("prose", "bare"),
    [
        ("The gradient shrinks.", True),
        ("The {term}`gradient <gradient · 梯度>` shrinks. A gradient is long.", False),
        ("The [gradient](#a-step) shrinks.", False),
        ("A kernel. Then `gradient` in code, and $gradient$.", False),
        ("# The gradient\n\nNothing.", False),
        ("# The gradient\n\nIts gradient.", True),
        ("(first)=\n# One\n\nIts gradient.\n\n(second)=\n# Two\n\nNothing.", True),
        ("(gradient)=\nNothing.", False),
        ("```{code-cell} python\ngradient = 1\n```\nNothing.", False),
        ("Two gradients, one {term}`gradient <gradient · 梯度>`.", True),
        ("A gradient-free way, an ingredient.", False),
    ],
)
def test_the_test_sees_a_bare_word_and_nothing_else(prose, bare):
    assert bool(unlinked_first_use(prose, r"gradients?")) == bare


def test_every_home_is_a_page():
    assert {home for _, home in WORDS.values() if home} <= set(PAGES)
