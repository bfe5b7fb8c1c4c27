"""What other parts wrote down in English, told in the language of the page: reasons, defects, entries of the history.

They are kept as they were written, since mails, chats and the command line show them too. A text that fits no form
stays as it is; what a person or a program wrote within one is never translated.
"""

from __future__ import annotations

import re
from functools import cache

from agent.translations import gettext, marked, spoken

FORMS = (
    # triage: why a request was placed so
    marked("{part} (+{pull} for no request)"),
    marked("{part} (+{pull} for {label})"),
    marked("word {word}"),
    marked("{part} in what is asked: {phrases}"),
    marked("{part} in what is asked"),
    marked("cue {name}: {phrases}"),
    marked("cue {name}"),
    marked("shape {name}"),
    marked("meaning of the text"),
    marked("parts of words"),
    marked("rule: an automatic reply or delivery report by its own words (RFC 3834)"),
    marked("rule: no readable text"),
    marked("rule: nothing but a picture"),
    marked("rule: nothing but a link"),
    marked("urgency: {part}"),
    marked("blocked work"),
    marked("deadline within days"),
    marked("maintenance window"),
    marked("allocation or purge about to end"),
    marked("no hurry"),
    marked("route {route}: {part}"),
    marked("an automatic reply or delivery report is never answered"),
    marked("only a picture came in; ask for the text of it"),
    marked("nothing readable came in"),
    marked("only a link came in; ask what is wanted"),
    marked("the text addresses the machine instead of the support centre"),
    marked("only a log or script came in; ask what was expected"),
    marked("no request for support"),
    marked("probably no request for support; a person decides"),
    marked("months of joint work are granted by an evaluation"),
    marked("hands-on sessions are granted by an evaluation"),
    marked("urgent and unclear"),
    marked("level or type unclear"),
    marked("a failure is reported without what is needed to find it"),
    marked("legal and ethical answers need a person's approval"),
    marked("considered advice needs a person's approval"),
    marked("asks for a figure that only a measurement gives"),
    marked("one answer closes it"),
    marked("not certain enough to answer without a person"),
    # checks: why a draft is what it is
    marked("every statement is carried by its evidence"),
    marked("no statement passed the checks"),
    marked("the evidence holds no answer"),
    marked("the requester's answers could change that"),
    marked("the evidence answers the question with a chance of {share}"),
    marked("{count} part without evidence: edit or leave out"),
    marked("{count} parts without evidence: edit or leave out"),
    marked("{count} part to be looked at"),
    marked("{count} parts to be looked at"),
    marked("{count} of the questions not answered"),
    marked("speaks of law and quotes no article"),
    marked("has nothing in common with the words that it quotes"),
    marked("cites nothing"),
    marked("cites evidence {number}, which was not given"),
    marked("quotes words that do not stand in {number}: {words}"),
    marked("rests on very few words of {number}"),
    marked("asks for a secret"),
    marked("repeats the request: {words}"),
    marked("repeats what nobody checked: {words}"),
    marked("is not in the requester's own words"),
    marked("only the request itself says {words}"),
    marked("promises or claims a deed: {words}"),
    marked("rules on a legal question: {words}; quote the article instead"),
    marked("holds characters that nobody sees: {words}"),
    marked("mixes alphabets within a word: {words}"),
    marked("holds an image or HTML, which answers never do"),
    marked("holds encoded text: {words}"),
    marked("repeats the instructions that were given to the model"),
    marked("is far too long"),
    marked("address of a host that no guide of ours names: {words}"),
    marked("{kind} in no cited evidence: {words}"),
    # mails: whose they are, and what is wrong with them
    marked("The sender was not checked."),
    marked("The program that sent this by its token vouches for the address."),
    marked("The address was typed into the web form; nobody checked whose it is."),
    marked("The sender is signed in at the chat service."),
    marked("The mail names no sender that could be checked."),
    marked("The sender could not be checked: names could not be looked up."),
    marked("{server} checked the sender: {method} passed."),
    marked("{server} could not verify the sender: {words}."),
    marked("DKIM signature of {name} is valid."),
    marked("SPF of {name} allows {address}."),
    marked("{name} forwarded it and vouches for the sender (ARC)."),
    marked("Read at the desk of {name}."),
    marked("no Date"),
    marked("no From"),
    marked("no Message-ID"),
    marked("a multipart without its closing boundary"),
    marked("a multipart without a boundary"),
    marked("the declared boundary is not in the mail"),
    marked("a line of the header is no header field"),
    marked("the header ends without a blank line"),
    marked("NUL characters in the text were left out"),
    marked("no valid address: {words}"),
    # entries of the history
    marked("requester"),
    marked("answer, {count} claims"),
    marked("caveat, {count} claims"),
    marked("ask, {count} claims"),
    marked("escalate, {count} claims"),
    marked("until {when} UTC"),
    marked("first answer by {when} UTC"),
    marked("{type} by {when} UTC"),
    marked("as at the desk of {name}"),
    marked("the sender has no address that mail can go to"),
    marked("the sender had one within {count} hours"),
    marked("the sender had {count} within a day"),
)
"""The first that fits counts. `part` is told in its turn; other fields stay as they are."""


def retold(text: str) -> str:
    if spoken() == "en":
        return text
    for form, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            if "part" in parts:
                parts["part"] = retold(parts["part"])
            return gettext(form).format(**parts)
    return text


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(form, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(form)), re.DOTALL)) for form in FORMS]
