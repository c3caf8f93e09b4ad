"""Reads what an ES module imports and exports, and cuts it out of its text.

Only :mod:`cnnlib.widgets.bundle` needs this. It reads JavaScript's tokens and no more of its
grammar, so strings, comments, templates and regular expressions are never taken for statements.
What it cannot read for certain, it refuses by a ``ValueError`` that names file and line.
"""

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn


class Import(NamedTuple):
    """Some names of the module at the path ``source``, or with no names only that it runs.

    ``names``: (what that module calls one, what it is called here); "*" stands for all.
    """

    source: str
    names: list[tuple[str, str]]
    line: int


class Module(NamedTuple):
    name: str
    body: str  # its text; blanks stand for its imports and for the word "export"
    words: frozenset[str]  # every identifier and keyword in it
    imports: list[Import]
    own: dict[str, str]  # its exports: what others call one -> its name inside
    passed_on: list[Import]  # export … from: what that module calls one, what others call it

    @property
    def exports(self) -> set[str]:
        return {*self.own, *(name for wanted in self.passed_on for _, name in wanted.names)}


@lru_cache
def read_module(name: str, text: str) -> Module:
    """The module of this text; ``name`` is what an error calls it."""
    return _Reader(name, text).module()


# --- Tokens -------------------------------------------------------------------------------------


class Token(NamedTuple):
    kind: str  # word, string, number, template (a piece of one), regex, mark
    text: str
    start: int
    end: int
    depth: int  # how many brackets are open around it
    partner: int  # of a closing bracket: the index of the opening one


BLANK = re.compile(r"\s+|//[^\n\u2028\u2029]*|/\*.*?\*/", re.DOTALL)
ESCAPE = r"\\u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]+\})"
PIECE = re.compile(
    rf"""
      (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<word> (?:[^\W\d]|\$|{ESCAPE}) (?:[\w$\u200c\u200d]|{ESCAPE})* )
    | (?P<number> \.?\d[\w.]* )
    | (?P<mark> \+\+ | -- | [^\w\s"'`\\] )
    """,
    re.VERBOSE | re.DOTALL,
)
TEMPLATE = re.compile(r"[`}](?P<template>(?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{))", re.DOTALL)
REGEX = re.compile(r"(?P<regex>/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[\w$]*)")
CLOSING = {"(": ")", "[": "]", "{": "}", "${": "}"}

# Behind these a value begins, so a slash begins a regular expression and divides nothing.
BEFORE_A_VALUE = {
    *("await", "case", "default", "delete", "do", "else", "in", "instanceof", "new", "return"),
    *("throw", "typeof", "void", "yield"),
}
HEADS = {"if", "while", "for", "with"}  # behind their brackets a statement begins


def tokens(name: str, text: str) -> list[Token]:
    """The tokens of a JavaScript text, without blanks and comments.

    A template literal is one token for each piece of text in it; what stands between its braces is
    read like any code. Raises ``ValueError`` where the text is no JavaScript, or where a slash
    could mean two things.
    """
    found: list[Token] = []
    opened: list[int] = []
    at = 0
    while at < len(text):
        inside = _bracket(found[opened[-1]]) if opened else ""
        if blank := BLANK.match(text, at):
            at = blank.end()
            continue
        if text[at] == "`" or (text[at] == "}" and inside == "${"):
            match = TEMPLATE.match(text, at)
        elif text[at] == "/" and _begins_a_value(name, text, at, found):
            match = REGEX.match(text, at)
        else:
            match = PIECE.match(text, at)
        if not match:
            refuse(name, text, at, f"cannot read {text[at : at + 20]!r}")
        kind, piece, partner = match.lastgroup, match[0], -1
        if piece[0] in ")]}" and kind in ("mark", "template"):
            if CLOSING.get(inside) != piece[0]:
                refuse(name, text, at, f"a {piece[0]} that closes nothing")
            partner = opened.pop()
        token = Token(kind, piece, at, match.end(), len(opened), partner)
        if _bracket(token):
            opened.append(len(found))
        found.append(token)
        at = match.end()
    if opened:
        refuse(name, text, found[opened[-1]].start, "a bracket that is never closed")
    return found


def _bracket(token: Token) -> str:
    """The bracket that a token opens, if it does."""
    if token.kind == "template":
        return "${" if token.text.endswith("${") else ""
    return token.text if token.kind == "mark" and token.text in CLOSING else ""


def _begins_a_value(name: str, text: str, at: int, found: list[Token]) -> bool:
    """Whether a slash at this place begins a regular expression."""
    if not found:
        return True
    last = found[-1]
    if last.kind == "word":
        return last.text in BEFORE_A_VALUE and not _is_property(found, len(found) - 1)
    if last.kind != "mark":
        return last.kind == "template" and last.text.endswith("${")
    if last.text == "}":
        refuse(name, text, at, "a slash behind a brace: expected brackets or a ; between them")
    if last.text == ")":
        head = found[last.partner - 1].text if last.partner else ""
        if head == "await":  # for await (...)
            head = "for"
        return head in HEADS and not _is_property(found, last.partner - 1)
    return last.text not in ("]", "++", "--")


def _is_property(found: list[Token], index: int) -> bool:
    return index > 0 and found[index - 1].text == "."


def refuse(name: str, text: str, at: int, why: str) -> NoReturn:
    raise ValueError(f"{name}:{_line(text, at)}: {why}")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


# --- Statements ---------------------------------------------------------------------------------


class _Reader:
    """Goes through a module's tokens once and notes what it imports and exports."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.tokens = tokens(name, text)
        self.at = 0
        self.words = frozenset(token.text for token in self.tokens if token.kind == "word")
        self.cuts: list[
            tuple[int, int, str]
        ] = []  # from, to, and what is written before the blanks
        self.imports: list[Import] = []
        self.own: dict[str, str] = {}
        self.passed_on: list[Import] = []
        self.variables: set[str] = set()  # names that may change

    def module(self) -> Module:
        while self.at < len(self.tokens):
            token = self.take()
            if token.kind != "word" or _is_property(self.tokens, self.at - 1):
                continue
            if token.text == "import" and self.next_is("(", "."):
                self.refuse("import() or import.meta: expected import … from")
            elif token.depth:
                continue
            elif token.text == "import":
                self.read_import(token)
            elif token.text == "export":
                self.read_export(token)
            elif token.text in ("let", "var"):
                self.read_variables()
            elif token.text == "await":
                self.refuse("await outside functions: expected none")
        for theirs, ours in self.own.items():
            if ours in self.variables:
                raise ValueError(
                    f"{self.name} exports {theirs}, which may change: expected a const"
                )
        return Module(self.name, self.body(), self.words, self.imports, self.own, self.passed_on)

    def body(self) -> str:
        body, last = "", 0
        for start, end, written in self.cuts:
            blanks = re.sub(".", " ", self.text[start:end])
            body += self.text[last:start] + written + blanks
            last = end
        return body + self.text[last:]

    def read_import(self, start: Token) -> None:
        names = []
        if self.next_is_a("word"):
            names.append(("default", self.take_name()))
        if not names or (self.next_is(",") and self.take()):
            if self.next_is("*"):
                self.take("*")
                self.take("as")
                names.append(("*", self.take_name()))
            elif self.next_is("{"):
                names += self.take_list()
            elif names or not self.next_is_a("string"):
                self.refuse("cannot read this import")
        if names or not self.next_is_a("string"):
            self.take("from")
        self.imports.append(self.take_source(start, names))

    def read_export(self, start: Token) -> None:
        if self.next_is("default"):
            self.take("default")
            self.read_default(start)
        elif self.next_is("*"):
            self.take("*")
            name = self.take_name() if self.next_is("as") and self.take() else "*"
            self.take("from")
            self.passed_on.append(self.take_source(start, [("*", name)]))
        elif self.next_is("{"):
            names = self.take_list()
            if self.next_is("from"):
                self.take("from")
                self.passed_on.append(self.take_source(start, names))
            else:
                self.own |= {theirs: ours for ours, theirs in names}
                self.end_statement(start)
        else:
            self.cuts.append((start.start, start.end, ""))
            name = self.read_declaration()
            self.own[name] = name

    def read_declaration(self) -> str:
        """The name that a const, function or class declares behind the word export."""
        if self.next_is("const"):
            self.take("const")
            name = self.take_name()
            for token in self.tokens[self.at :]:
                if token.depth == 0 and token.text in (";", "const", "export", "import"):
                    break
                if token.depth == 0 and token.text == ",":
                    self.refuse("several names, or no ; behind the first: expected one and a ;")
            return name
        if self.next_is("async"):
            self.take("async")
        if not self.next_is("function", "class"):
            self.refuse("cannot export this: expected const, function, class, default, { or *")
        self.take()
        if self.next_is("*"):
            self.take("*")
        return self.take_name()

    def read_default(self, start: Token) -> None:
        """A declaration keeps its name, or is given one; the value of any other is kept."""
        end, name = self.tokens[self.at - 1].end, "default_export"
        while name in self.words:
            name = f"_{name}"
        declared = [token.text for token in self.tokens[self.at : self.at + 2]]
        if declared[:1] in (["function"], ["class"]) or declared == ["async", "function"]:
            self.cuts.append((start.start, end, ""))
            while self.next_is("async", "function", "class", "*"):
                self.take()
            if self.next_is_a("word") and not self.next_is("extends"):
                name = self.take_name()
            else:
                at = self.tokens[self.at - 1].end
                self.cuts.append((at, at, f" {name} "))
        else:
            self.cuts.append((start.start, end, f"const {name} ="))
        self.own["default"] = name

    def read_variables(self) -> None:
        """Note the names that a let or var at the top declares."""
        at = self.at
        while at < len(self.tokens):
            first = self.tokens[at]
            if first.text in ("{", "["):
                end = next(i for i, token in enumerate(self.tokens) if token.partner == at)
                self.variables |= {token.text for token in self.tokens[at:end]}
            self.variables.add(first.text)
            rest = range(at + 1, len(self.tokens))
            at = next((i for i in rest if self.ends_a_name(self.tokens[i])), len(self.tokens))
            if at == len(self.tokens) or self.tokens[at].text != ",":
                return
            at += 1

    @staticmethod
    def ends_a_name(token: Token) -> bool:
        return token.depth == 0 and token.text in (",", ";", "const", "let", "export", "import")

    def take_list(self) -> list[tuple[str, str]]:
        """``{ a, b as c }``: a and a, b and c."""
        names = []
        self.take("{")
        while not self.next_is("}"):
            name = self.take_name()
            names.append((name, self.take_name() if self.next_is("as") and self.take() else name))
            if not self.next_is("}"):
                self.take(",")
        self.take("}")
        return names

    def take_source(self, start: Token, names: list[tuple[str, str]]) -> Import:
        """The path behind ``from``, and with it the whole statement."""
        if not self.next_is_a("string"):
            self.refuse("cannot read this: expected a path in quotes")
        path = self.take().text[1:-1]
        if "\\" in path or self.next_is("with", "assert"):
            self.refuse("cannot read this: expected a plain path and a ;")
        self.end_statement(start)
        return Import(path, names, _line(self.text, start.start))

    def end_statement(self, start: Token) -> None:
        if self.next_is(";"):
            self.take(";")
        self.cuts.append((start.start, self.tokens[self.at - 1].end, ""))

    # Going on from token to token.

    def next_is(self, *texts: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at].text in texts

    def next_is_a(self, kind: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at].kind == kind

    def take(self, text: str | None = None) -> Token:
        if self.at == len(self.tokens) or text not in (None, self.tokens[self.at].text):
            self.refuse(f"cannot read this: expected {text}")
        self.at += 1
        return self.tokens[self.at - 1]

    def take_name(self) -> str:
        if not self.next_is_a("word"):
            self.refuse("cannot read this: expected a name")
        return self.take().text

    def refuse(self, why: str) -> NoReturn:
        """Refuse the module at the token that was to be read next."""
        token = self.tokens[min(self.at, len(self.tokens) - 1)]
        refuse(self.name, self.text, token.start, why)
