"""MyST's roles as words and links, for places that know no MyST."""

import re
from collections.abc import Callable

ROLE = re.compile(r"\{(\w+)\}`([^`]+)`")


def plain_roles(text: str, link: Callable[[str, str | None], str | None]) -> str:
    """The text without roles: words for terms, ``[key]`` for citations, ``(label)`` for formulas,
    and for references what ``link(label, words or None)`` makes of them, or their words."""

    def plain(match: re.Match) -> str:
        role, inside = match.groups()
        labelled = re.match(r"(.*?)\s*<([^>]*)>$", inside)
        words, target = labelled.groups() if labelled else (None, inside)
        if role == "ref" and (made := link(target, words)):
            return made
        if role == "eq":
            return f"({inside})"
        return f"[{inside}]" if role == "cite" else words or inside

    return ROLE.sub(plain, text)
