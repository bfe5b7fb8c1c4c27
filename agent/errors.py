"""What can go wrong in the helpdesk, in words for the person who can mend it."""

from __future__ import annotations


class HelpdeskError(Exception):
    """Root of this package's errors; the message says what is wrong and what to do next.

    `text` may name `values` in braces; the desk translates the text and then puts them in.
    """

    def __init__(self, text: str = "", /, **values: object) -> None:
        super().__init__(text.format(**values) if values else text)
        self.text = text
        self.values = values


class SettingsError(HelpdeskError):
    """One or more settings cannot be used; the message lists all of them."""


class DatabaseError(HelpdeskError):
    """The database cannot be used as it is."""


class PortTakenError(HelpdeskError):
    """A port that we should listen on is in use."""


class ApprovalError(HelpdeskError):
    """A draft cannot be approved as shown: what it was bound to has changed, or somebody was quicker."""


class HandlingError(HelpdeskError):
    """What an engineer wants to do with a ticket is not possible as it stands."""


class UnsupportedError(ApprovalError):
    """An answer holds what no evidence carries; an engineer who has checked it may vouch for it."""

    def __init__(self, message: str, problems: tuple[str, ...]) -> None:
        super().__init__(message)
        self.problems = problems


class NotFoundError(HelpdeskError):
    """No such ticket, draft, attachment or person."""


class NotAllowedError(HelpdeskError):
    """The role of the engineer does not allow it; the message says so."""


class SignOnError(HelpdeskError):
    """Signing in at a provider or by a passkey did not work; the message is for who tried."""


class SendError(HelpdeskError):
    """A mail was not handed over.

    `permanent` is the one bit that the sender's loop reads: False means worth another try.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class MailboxError(HelpdeskError):
    """Mail cannot be fetched from a mailbox; another try follows by itself."""


class EndpointRecordError(HelpdeskError):
    """A file that tells where a model server is cannot be used; the message names it and what is wrong."""


class LanguageModelError(HelpdeskError):
    """A language model gave no usable reply; the draft is then made without one.

    `permanent`: asking the same server again would not help.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class ChatError(HelpdeskError):
    """A chat service did not do what it was asked for.

    `permanent`: another try would not help. `uncertain`: it may have been done all the same.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, uncertain: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.uncertain = uncertain
        self.retry_after_s = retry_after_s


class BridgeError(HelpdeskError):
    """The desk of a partner did not do what it was asked for; the message says what to do, or that we try again.

    `whole_desk`: it is not about one ticket: nothing else is tried there for the moment.
    """

    def __init__(self, message: str, *, whole_desk: bool = False) -> None:
        super().__init__(message)
        self.whole_desk = whole_desk
