"""The shell around the directives: commands with their words, read by tree-sitter's grammar of bash.

That parser goes on after a syntax error, which scripts out of mails have; bashlex, the other one at hand, stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

MAX_SCRIPT_BYTES = 200_000
MAX_DEPTH = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    text: str
    """Quotes removed; expansions as written."""
    raw: str
    line: int
    column: int
    literal: bool = False
    """In single quotes: nothing in it is expanded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """Where a command stands."""

    function: str = ""
    loop: bool = False
    condition: bool = False
    """In the test of an if, while or until, or left of && or ||."""
    branch: bool = False
    """In the body of an if or case."""
    background: bool = False
    subshell: bool = False
    substitution: bool = False
    """In $( ) or backticks."""
    in_step: bool = False
    """In the text of srun ... bash -c, run once per task."""
    guarded: str = ""
    """What follows ||."""
    pipe: tuple[str, ...] = ()
    """Names of the commands that it is piped into."""
    piped_from: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    name: str
    words: tuple[Word, ...]
    """With the name; empty for a bare assignment."""
    assignments: tuple[tuple[str, Word], ...]
    """Names set by the command (in front of it, by export, or bare), and their values."""
    exported: bool
    line: int
    column: int
    end_line: int
    text: str
    around: Around
    redirects: tuple[str, ...] = ()

    def args(self) -> list[str]:
        return [word.text for word in self.words[1:]]


@dataclass(slots=True)
class _Out:
    commands: list[Command] = field(default_factory=list)
    errors: list[tuple[int, int]] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    commands: tuple[Command, ...]
    errors: tuple[tuple[int, int], ...]
    """Lines and columns that the grammar does not accept."""


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def parse_shell(text: str, *, first_line: int = 1, around: Around | None = None) -> Shell:
    source = text.encode("utf-8", "replace")[:MAX_SCRIPT_BYTES]
    out = _Out()
    _walk(_parser().parse(source).root_node, around or Around(), out, 0)
    commands = sorted(out.commands, key=lambda command: (command.line, command.column))
    if first_line != 1:
        commands = [_moved(command, first_line - 1) for command in commands]
    return Shell(commands=tuple(commands), errors=tuple(out.errors))


def _moved(command: Command, lines: int) -> Command:
    words = tuple(replace(word, line=word.line + lines) for word in command.words)
    return replace(command, words=words, line=command.line + lines, end_line=command.end_line + lines)


def _walk(node: Node, around: Around, out: _Out, depth: int) -> None:
    if depth > MAX_DEPTH:
        return
    if node.type == "ERROR" or node.is_missing:
        out.errors.append((node.start_point[0] + 1, node.start_point[1] + 1))
    handler = _HANDLERS.get(node.type)
    if handler:
        handler(node, around, out, depth)
    else:
        _children(node, around, out, depth)


def _children(node: Node, around: Around, out: _Out, depth: int) -> None:
    children = node.children
    for index, child in enumerate(children):
        follows = children[index + 1].type if index + 1 < len(children) else ""
        inner = replace(around, background=True) if follows == "&" else around
        _walk(child, inner, out, depth + 1)


def _command(node: Node, around: Around, out: _Out, depth: int) -> None:
    words, assignments, redirects = [], [], []
    for child in node.children:
        if child.type == "variable_assignment":
            assignments.append(_assignment(child))
        elif child.type.endswith("redirect"):
            redirects.append(_text(child))
        elif child.is_named and child.type != "comment":
            words.append(_word(child))
        _substitutions(child, around, out, depth)
    out.commands.append(_made(node, words, assignments, around, redirects))


def _made(
    node: Node,
    words: Sequence[Word],
    assignments: Sequence[tuple[str, Word]],
    around: Around,
    redirects: Sequence[str] = (),
) -> Command:
    exported = bool(words) and words[0].text in ("export", "declare", "typeset")
    return Command(
        name=words[0].text if words else "",
        words=tuple(words),
        assignments=tuple(assignments),
        exported=exported,
        line=node.start_point[0] + 1,
        column=node.start_point[1] + 1,
        end_line=node.end_point[0] + 1,
        text=_text(node),
        around=around,
        redirects=tuple(redirects),
    )


def _declaration(node: Node, around: Around, out: _Out, depth: int) -> None:
    first = node.children[0]
    words = [Word(text=_text(first), raw=_text(first), line=first.start_point[0] + 1, column=first.start_point[1] + 1)]
    assignments = []
    for child in node.children[1:]:
        if child.type == "variable_assignment":
            assignments.append(_assignment(child))
        if child.is_named:
            words.append(_word(child))
        _substitutions(child, around, out, depth)
    out.commands.append(_made(node, words, assignments, around))


def _bare_assignment(node: Node, around: Around, out: _Out, depth: int) -> None:
    out.commands.append(_made(node, [], [_assignment(node)], around))
    _substitutions(node, around, out, depth)


def _assignment(node: Node) -> tuple[str, Word]:
    name = _text(node.child_by_field_name("name") or node.children[0])
    value = node.child_by_field_name("value")
    if value is None:
        end = node.end_point
        return name, Word(text="", raw="", line=end[0] + 1, column=end[1] + 1)
    return name, _word(value)


def _substitutions(node: Node, around: Around, out: _Out, depth: int) -> None:
    """Commands inside $( ), backticks and <( ) of a word."""
    if depth > MAX_DEPTH:
        return
    if node.type in ("command_substitution", "process_substitution"):
        _children(node, replace(around, substitution=True, background=False, pipe=()), out, depth + 1)
        return
    for child in node.children:
        _substitutions(child, around, out, depth + 1)


def _redirected(node: Node, around: Around, out: _Out, depth: int) -> None:
    body = node.child_by_field_name("body") or node.children[0]
    redirects = tuple(_text(child).split("\n")[0] for child in node.children if child.type.endswith("redirect"))
    before = len(out.commands)
    _walk(body, around, out, depth + 1)
    out.commands[before:] = [
        replace(command, redirects=(*command.redirects, *redirects), end_line=max(command.end_line, command.end_line))
        for command in out.commands[before:]
    ]
    for child in node.children:
        if child.type == "heredoc_redirect":
            for inner in child.children:
                if inner.type == "pipeline":
                    _walk(inner, replace(around, piped_from=True), out, depth + 1)


def _pipeline(node: Node, around: Around, out: _Out, depth: int) -> None:
    parts = [child for child in node.children if child.is_named and child.type != "comment"]
    names = [_text(part).split()[0] if _text(part).split() else "" for part in parts]
    for index, part in enumerate(parts):
        inner = replace(around, pipe=tuple(names[index + 1 :]), piped_from=index > 0)
        _walk(part, inner, out, depth + 1)


def _list(node: Node, around: Around, out: _Out, depth: int) -> None:
    parts = [child for child in node.children if child.is_named]
    operators = [child.type for child in node.children if child.type in ("&&", "||")]
    if len(parts) != 2 or not operators:
        _children(node, around, out, depth)
        return
    guarded = _text(parts[1])[:80] if operators[0] == "||" else around.guarded
    _walk(parts[0], replace(around, condition=True, guarded=guarded), out, depth + 1)
    _walk(parts[1], replace(around, branch=True), out, depth + 1)


def _function(node: Node, around: Around, out: _Out, depth: int) -> None:
    name = node.child_by_field_name("name")
    title = _text(name) if name else "?"
    out.functions.add(title)
    body = node.child_by_field_name("body")
    if body:
        _walk(body, replace(around, function=title), out, depth + 1)


def _if(node: Node, around: Around, out: _Out, depth: int) -> None:
    seen_then = False
    for child in node.children:
        seen_then = seen_then or child.type == "then"
        inner = replace(around, branch=True) if seen_then else replace(around, condition=True)
        _walk(child, inner, out, depth + 1)


def _loop(node: Node, around: Around, out: _Out, depth: int) -> None:
    for child in node.children:
        body = child.type == "do_group"
        inner = replace(around, loop=True) if body else replace(around, condition=True, background=False)
        _walk(child, inner, out, depth + 1)


def _subshell(node: Node, around: Around, out: _Out, depth: int) -> None:
    _children(node, replace(around, subshell=True), out, depth)


def _substitution(node: Node, around: Around, out: _Out, depth: int) -> None:
    _children(node, replace(around, substitution=True), out, depth)


_HANDLERS = {
    "command": _command,
    "declaration_command": _declaration,
    "unset_command": _declaration,
    "variable_assignment": _bare_assignment,
    "redirected_statement": _redirected,
    "pipeline": _pipeline,
    "list": _list,
    "function_definition": _function,
    "if_statement": _if,
    "elif_clause": _if,
    "for_statement": _loop,
    "c_style_for_statement": _loop,
    "while_statement": _loop,
    "subshell": _subshell,
    "command_substitution": _substitution,
}


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _word(node: Node) -> Word:
    raw = _text(node)
    return Word(
        text=_unquoted(node),
        raw=raw,
        line=node.start_point[0] + 1,
        column=node.start_point[1] + 1,
        literal=node.type == "raw_string",
    )


def _unquoted(node: Node) -> str:
    raw = _text(node)
    if node.type == "raw_string":
        return raw[1:-1]
    if node.type == "string":
        return re.sub(r"\\([\"\\])", r"\1", raw[1:-1].replace("\\\n", ""))
    if node.type == "concatenation" or (node.type == "command_name" and node.children):
        return "".join(_unquoted(child) for child in node.children)
    if node.type == "word":
        return raw.replace("\\\n", "").replace("\\", "") if "\\" in raw else raw
    return raw


def here_documents(lines: Sequence[str]) -> list[tuple[int, int, bool]]:
    """First line (that of the command) and last line of each, from 1; whether its text is taken as it stands."""
    found: list[tuple[int, int, bool]] = []
    open_at, word, literal = 0, "", False
    for number, line in enumerate(lines, start=1):
        if word:
            if line.strip() == word:
                found.append((open_at, number, literal))
                word = ""
            continue
        here = re.search(r"(?<!<)<<-?\s*([\"'\\]?)(\w+)", line)
        if here and not line.lstrip().startswith("#"):
            open_at, word, literal = number, here.group(2), bool(here.group(1))
    return found


def inner_commands(command: Command) -> Iterator[Command]:
    """Commands in the text given to `bash -c` by this one; they run in the step when srun is in front."""
    names = [word.text for word in command.words]
    for index, word in enumerate(command.words):
        if (index and word.text.startswith("-") and word.text.endswith("c") and _is_shell(names[index - 1])) or (
            index > 1 and word.text == "-c" and any(_is_shell(name) for name in names[max(0, index - 3) : index])
        ):
            body = command.words[index + 1] if index + 1 < len(command.words) else None
        else:
            continue
        if body is not None:
            step = any(name in ("srun", "mpirun", "mpiexec") for name in names[:index])
            inside = replace(command.around, in_step=step or command.around.in_step, condition=False, branch=False)
            yield from parse_shell(body.text, first_line=body.line, around=inside).commands
        return


def _is_shell(name: str) -> bool:
    return name.rsplit("/", 1)[-1] in ("bash", "sh", "zsh", "dash")
