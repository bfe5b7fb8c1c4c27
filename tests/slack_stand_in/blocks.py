"""Block Kit as documented (https://docs.slack.dev/reference/block-kit): which fields, which types, which limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MESSAGE, MODAL, HOME = "message", "modal", "home"
MAX_BLOCKS = {MESSAGE: 50, MODAL: 100, HOME: 100}
_MARKDOWN_CHARS = 12_000


class InvalidBlocksError(Exception):
    """`invalid_blocks`; the message is what Slack puts into `response_metadata.messages`."""


def check_blocks(blocks: object, surface: str) -> None:
    _want(isinstance(blocks, list) and blocks, "blocks must be a list that is not empty")
    assert isinstance(blocks, list)
    _want(len(blocks) <= MAX_BLOCKS[surface], f"no more than {MAX_BLOCKS[surface]} items allowed in blocks")
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id")]
    _want(len(ids) == len(set(ids)), "block_id must be unique within a message or view")
    for block in blocks:
        _want(isinstance(block, dict), "a block must be an object")
        kind = block.get("type")
        _want(kind in _BLOCKS, f"unsupported block type {kind!r}")
        fields, surfaces, check = _BLOCKS[kind]
        _want(surface in surfaces, f"{kind} is not allowed in a {surface}")
        _fields(block, {"type", "block_id", *fields})
        _text_length(block.get("block_id", "x"), 255, "block_id")
        check(block)
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    _want(markdown <= _MARKDOWN_CHARS, "markdown blocks hold 12,000 characters together")


def check_view(view: object) -> None:
    _want(isinstance(view, dict), "view must be an object")
    assert isinstance(view, dict)
    kind = view.get("type")
    _want(kind in {MODAL, HOME}, "view.type must be modal or home")
    allowed = {"type", "blocks", "private_metadata", "callback_id", "external_id"}
    if kind == MODAL:
        allowed |= {"title", "close", "submit", "clear_on_close", "notify_on_close", "submit_disabled"}
        _plain(view.get("title"), 24, "title")
        for name in ("close", "submit"):
            if name in view:
                _plain(view[name], 24, name)
    _fields(view, allowed)
    _text_length(view.get("private_metadata", "x"), 3000, "private_metadata", empty=True)
    _text_length(view.get("callback_id", "x"), 255, "callback_id")
    check_blocks(view.get("blocks"), str(kind))
    if any(block["type"] == "input" for block in view["blocks"]):
        _want(kind == HOME or "submit" in view, "a modal with input blocks needs submit")


def _section(block: Mapping[str, Any]) -> None:
    _want("text" in block or "fields" in block, "a section needs text or fields")
    if "text" in block:
        _text(block["text"], 3000)
    fields = block.get("fields", [])
    _want(len(fields) <= 10, "a section has at most 10 fields")
    for field in fields:
        _text(field, 2000)
    if "accessory" in block:
        _element(block["accessory"], {"button", "static_select", "users_select", "overflow"})


def _header(block: Mapping[str, Any]) -> None:
    _plain(block.get("text"), 150, "header.text")


def _context(block: Mapping[str, Any]) -> None:
    _want(1 <= len(block.get("elements", [])) <= 10, "a context has 1 to 10 elements")
    for element in block["elements"]:
        _text(element, 3000)


def _actions(block: Mapping[str, Any]) -> None:
    elements = block.get("elements", [])
    _want(1 <= len(elements) <= 25, "actions has 1 to 25 elements")
    for element in elements:
        _element(element, {"button", "static_select", "users_select", "overflow"})
    ids = [element.get("action_id") for element in elements]
    _want(len(ids) == len(set(ids)), "action_id must be unique within a block")


def _input(block: Mapping[str, Any]) -> None:
    _plain(block.get("label"), 2000, "label")
    if "hint" in block:
        _plain(block["hint"], 2000, "hint")
    _element(block.get("element"), {"plain_text_input", "email_text_input", "checkboxes", "static_select"})


def _markdown(block: Mapping[str, Any]) -> None:
    _text_length(block.get("text"), _MARKDOWN_CHARS, "markdown.text")


def _nothing(_block: Mapping[str, Any]) -> None:
    pass


_EVERYWHERE = {MESSAGE, MODAL, HOME}
_BLOCKS: dict[Any, tuple[set[str], set[str], Callable[[Mapping[str, Any]], None]]] = {
    "section": ({"text", "fields", "accessory", "expand"}, _EVERYWHERE, _section),
    "header": ({"text"}, _EVERYWHERE, _header),
    "context": ({"elements"}, _EVERYWHERE, _context),
    "actions": ({"elements"}, _EVERYWHERE, _actions),
    "divider": (set(), _EVERYWHERE, _nothing),
    "input": ({"label", "element", "hint", "optional", "dispatch_action"}, _EVERYWHERE, _input),
    "markdown": ({"text"}, {MESSAGE}, _markdown),
}


def _element(element: object, allowed: set[str]) -> None:
    _want(isinstance(element, dict), "an element must be an object")
    assert isinstance(element, dict)
    kind = element.get("type")
    _want(kind in allowed, f"element {kind!r} is not allowed here")
    _fields(element, {"type", "action_id", *_ELEMENTS[str(kind)]})
    _text_length(element.get("action_id", "x"), 255, "action_id")
    if kind == "button":
        _plain(element.get("text"), 75, "button.text")
        _text_length(element.get("value", "x"), 2000, "button.value")
        _text_length(element.get("url", "x"), 3000, "button.url")
        _want(element.get("style", "primary") in {"primary", "danger"}, "button.style is primary or danger")
        if "confirm" in element:
            _confirm(element["confirm"])
    elif kind in {"plain_text_input", "email_text_input"}:
        _text_length(element.get("initial_value", "x"), 3000, "initial_value", empty=True)
        _want(1 <= element.get("max_length", 1) <= 3000, "max_length is 1 to 3000")
    elif kind == "checkboxes":
        _options(element.get("options"), 10)
    elif kind == "static_select":
        _options(element.get("options"), 100)
    if "placeholder" in element:
        _plain(element["placeholder"], 150, "placeholder")


_ELEMENTS = {
    "button": {"text", "url", "value", "style", "confirm", "accessibility_label"},
    "plain_text_input": {
        "initial_value", "multiline", "min_length", "max_length", "dispatch_action_config", "focus_on_load",
        "placeholder",
    },
    "email_text_input": {"initial_value", "dispatch_action_config", "focus_on_load", "placeholder"},
    "checkboxes": {"options", "initial_options", "confirm", "focus_on_load"},
    "static_select": {"options", "initial_option", "placeholder", "confirm", "focus_on_load"},
    "users_select": {"placeholder", "initial_user", "confirm", "focus_on_load"},
    "overflow": {"options", "confirm"},
}  # fmt: skip


def _options(options: object, most: int) -> None:
    _want(isinstance(options, list) and 1 <= len(options) <= most, f"1 to {most} options")
    assert isinstance(options, list)
    for option in options:
        _fields(option, {"text", "value", "description", "url"})
        _text(option.get("text"), 75)
        _text_length(option.get("value"), 150, "option.value")


def _confirm(confirm: Mapping[str, Any]) -> None:
    _fields(confirm, {"title", "text", "confirm", "deny", "style"})
    _plain(confirm.get("title"), 100, "confirm.title")
    _text(confirm.get("text"), 300)
    _plain(confirm.get("confirm"), 30, "confirm.confirm")
    _plain(confirm.get("deny"), 30, "confirm.deny")


def _text(text: object, most: int) -> None:
    _want(isinstance(text, dict), "a text must be an object")
    assert isinstance(text, dict)
    _want(text.get("type") in {"plain_text", "mrkdwn"}, "text.type is plain_text or mrkdwn")
    only = {"emoji"} if text["type"] == "plain_text" else {"verbatim"}
    _fields(text, {"type", "text", *only})
    _text_length(text.get("text"), most, "text")


def _plain(text: object, most: int, name: str) -> None:
    _want(isinstance(text, dict) and text.get("type") == "plain_text", f"{name} must be a plain_text object")
    _text(text, most)


def _text_length(value: object, most: int, name: str, *, empty: bool = False) -> None:
    _want(isinstance(value, str), f"{name} must be a string")
    assert isinstance(value, str)
    _want(len(value) <= most, f"must be no more than {most} characters [{name}]")
    _want(empty or value.strip(), f"must be more than 0 characters [{name}]")


def _fields(value: Mapping[str, Any], allowed: set[str]) -> None:
    _want(isinstance(value, dict), "must be an object")
    unknown: Sequence[str] = sorted(set(value) - allowed)
    _want(not unknown, f"invalid additional property: {', '.join(unknown)}")


def _want(holds: object, problem: str) -> None:
    if not holds:
        raise InvalidBlocksError(f"[ERROR] {problem}")
