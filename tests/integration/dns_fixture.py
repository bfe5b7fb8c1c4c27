"""A name server on loopback that answers from a table, over UDP and TCP, in the wire format of dnspython."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]
"""(name, type) to values in zone file form. `["SERVFAIL"]` and `["SILENCE"]` are what the server does instead."""
MOST_BY_UDP = 512
TIMEOUT_S = 0.2


class NameServer:
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.questions: list[tuple[str, str]] = []
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._tcp.getsockname()[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.timeout = ["127.0.0.1"], self.port, TIMEOUT_S
        return resolver

    def close(self) -> None:
        for open_socket in (self._udp, self._tcp):
            open_socket.shutdown(socket.SHUT_RDWR) if open_socket is self._tcp else None
            open_socket.close()

    def _answer(self, wire: bytes, *, by_udp: bool) -> bytes | None:
        asked = dns.message.from_wire(wire)
        question = asked.question[0]
        name, kind = str(question.name).rstrip(".").lower(), question.rdtype.name
        self.questions.append((name, kind))
        values = self._zone.get((name, kind))
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        if values == ["SILENCE"]:
            return None
        if values == ["SERVFAIL"]:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif not any(known == name for known, _ in self._zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if by_udp and len(answer.to_wire()) > MOST_BY_UDP:
            answer.answer, answer.flags = [], answer.flags | dns.flags.TC
        return answer.to_wire()

    def _serve_udp(self) -> None:
        while True:
            try:
                wire, client = self._udp.recvfrom(4096)
                if (answer := self._answer(wire, by_udp=True)) is not None:
                    self._udp.sendto(answer, client)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        while True:
            try:
                line, _ = self._tcp.accept()
            except OSError:
                return
            with line:
                (length,) = struct.unpack("!H", line.recv(2))
                if (answer := self._answer(line.recv(length), by_udp=False)) is not None:
                    line.sendall(struct.pack("!H", len(answer)) + answer)
