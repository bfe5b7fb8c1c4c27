"""Where a mail came in from beyond our own machines, by the connection and the `Received` fields of our own servers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS = 20
_FROM = re.compile(r"\s*from\s+(\S{1,255})(.{0,500}?)\sby\s", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"[\[(](?:IPv6:)?([0-9a-fA-F.:]{2,45})[\])]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    client: str
    """Address of the first machine that is not ours; empty when there is none, or none that is sure."""
    helo: str
    """What that machine calls itself."""
    outside: bool
    """Whether it came from beyond our machines."""


def origin_of(received: Sequence[str], client: str, helo: str, own: Sequence[Network]) -> Origin:
    """`client` is who handed us the mail, `received` the values of its `Received` fields, newest first.

    A server of ours (a private address, or one of the networks `own`) writes the topmost field; it is believed, and so
    is the next one for as long as those above name machines of ours. The first other machine wrote the rest, which
    proves nothing. A field that names more than one foreign address (what a client says of itself stands there too)
    leaves it unsure.
    """
    if is_foreign(client, own):
        return Origin(client=client, helo=helo, outside=True)
    for value in received[:MAX_HOPS]:
        hop = _FROM.match(value)
        if hop is None:
            continue  # handed over within a machine of ours
        named = [address for address in _ADDRESS.findall(hop[1] + hop[2]) if _is_address(address)]
        foreign = {address for address in named if is_foreign(address, own)}
        if foreign or not named:
            sure = len(foreign) == 1
            return Origin(client=foreign.pop() if sure else "", helo=hop[1].strip("[]") if sure else "", outside=True)
    return Origin(client="", helo="", outside=False)


def is_foreign(client: str, own: Sequence[Network]) -> bool:
    """A public address that is none of ours; False for what is no address."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return False
    real = getattr(address, "ipv4_mapped", None) or address
    return real.is_global and not any(real in network for network in own)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
