"""The words that pages use for codes, in the language of the page."""

from __future__ import annotations

from agent.translations import Words, marked

LEVELS = Words(
    {
        "L1": marked("Porting to HPC"),
        "L2": marked("Optimisation and scaling"),
        "L3": marked("Pre-training"),
        "L4": marked("Fine-tuning"),
        "L5": marked("Responsible AI"),
        "none": marked("No request"),
    }
)
STATUSES = Words(
    {
        "new": marked("New"),
        "drafted": marked("Awaiting approval"),
        "answered": marked("Answered"),
        "resolved": marked("Resolved"),
        "closed": marked("Closed"),
        "set aside": marked("Set aside"),
    }
)
LANGUAGES = ("en", "fr", "de", "it", "es", "pt", "nl", "pl")
"""That requests come in."""
VIEWS = Words(
    {
        "open": marked("Open"),
        "mine": marked("Mine"),
        "unassigned": marked("Unassigned"),
        "approval": marked("Awaiting approval"),
        "requester": marked("Awaiting requester"),
        "breaching": marked("Breaching"),
        "selection": marked("T3 and T4 selection"),
        "mentions": marked("Mentions"),
        "asked": marked("Asked of me"),
        "snoozed": marked("Snoozed"),
        "aside": marked("Set aside"),
        "done": marked("Done"),
        "all": marked("All"),
    }
)
TYPES = Words(
    {
        "T1": marked("Assistance"),
        "T2": marked("Consulting"),
        "T3": marked("Workshop"),
        "T4": marked("Embedded support"),
        "none": marked("No request"),
    }
)
ROLES = Words(
    {
        "viewer": marked("viewer"),
        "engineer": marked("engineer"),
        "lead": marked("lead"),
        "partner": marked("partner"),
        "admin": marked("admin"),
    }
)
COLOURS = Words({"red": marked("red"), "amber": marked("amber"), "green": marked("green")})
PARTS = Words(
    {
        "claim": marked("claim"),
        "command": marked("command"),
        "next_step": marked("next step"),
        "question": marked("question"),
        "unanswered": marked("unanswered"),
        "script": marked("script"),
    }
)
STATES = Words(
    {
        "acknowledgement": marked("acknowledgement"),
        "answer": marked("answer"),
        "hand-over": marked("hand-over"),
        "queued": marked("waiting to be sent"),
        "sending": marked("being sent"),
        "transmitting": marked("being sent"),
        "sent": marked("sent"),
        "failed": marked("failed"),
        "uncertain": marked("uncertain"),
        "waiting": marked("waiting"),
        "approved": marked("approved"),
        "rejected": marked("rejected"),
        "superseded": marked("superseded"),
        "high": marked("high"),
        "normal": marked("normal"),
        "low": marked("low"),
        "approve": marked("answer after approval"),
        "ask": marked("ask the requester"),
        "benchmark": marked("measure"),
        "human": marked("a person"),
        "ignore": marked("no answer"),
        "automatic": marked("automatic"),
        "auto-reply": marked("automatic reply"),
        "list": marked("mailing list"),
        "read receipt": marked("read receipt"),
        "delivery report": marked("delivery report"),
        "error": marked("error"),
        "warning": marked("warning"),
        "hint": marked("hint"),
        "cause": marked("cause"),
        "consequence": marked("consequence"),
        "wait": marked("waiting"),
        "requested": marked("wished for"),
        "proposed": marked("proposed"),
        "submitting": marked("being submitted"),
        "submitted": marked("submitted"),
        "finished": marked("finished"),
        "cancelled": marked("cancelled"),
    }
)
"""Of drafts, mails, findings and runs, and how urgent a request is and which way it goes."""
DEEDS = Words(
    {
        "view": marked("looked at"),
        "sign in": marked("signed in"),
        "sign-out": marked("signed out"),
        "account": marked("changed the own account"),
        "second-factor": marked("set up a second factor"),
        "passkeys": marked("added a passkey"),
        "remove": marked("removed"),
        "end": marked("ended a session"),
        "acts": marked("changed tickets"),
        "undo": marked("undid"),
        "ask": marked("asked for a measurement"),
        "runs": marked("decided about a run"),
        "macros": marked("used or changed a macro"),
        "partners": marked("changed a partner"),
        "desk": marked("changed a partner's desk"),
        "people": marked("changed a person"),
        "partner": marked("handed over or took back"),
        "try": marked("tried again"),
        "colleague": marked("asked a colleague, or no longer"),
        "approve": marked("approved"),
        "edit": marked("approved after editing"),
        "reject": marked("rejected"),
        "redraft": marked("asked for another draft"),
        "preview": marked("previewed"),
        "files": marked("attached a file"),
        "reuse": marked("marked reusable, or no longer"),
        "withdraw": marked("took back"),
        "assign": marked("assigned"),
        "notes": marked("added a note"),
        "placing": marked("corrected the placing"),
        "requester": marked("changed the requester's card"),
        "with": marked("merged or linked"),
        "split": marked("split off"),
        "propose": marked("proposed a meeting"),
        "confirm": marked("confirmed a meeting"),
        "call-off": marked("called off a meeting"),
        "evaluation": marked("evaluated"),
        "decision": marked("decided on the request"),
        "plan": marked("changed the plan"),
        "milestones": marked("changed a milestone"),
        "report": marked("wrote the report"),
    }
)
"""Codes of the audit log: the last word of the address that it was sent to."""
TRUST = Words(
    {
        "verified": marked("verified"),
        "unverified": marked("not verified"),
        "unknown": marked("not checked"),
    }
)
OUTCOMES = Words(
    {
        "answer": marked("evidence found"),
        "caveat": marked("partly covered"),
        "ask": marked("asks the requester"),
        "escalate": marked("no sure evidence"),
    }
)
SHELVES = Words(
    {
        ".": marked("General"),
        "access": marked("Access"),
        "benchmarks": marked("Benchmarks"),
        "data": marked("Data"),
        "environments": marked("Environments"),
        "jobs": marked("Jobs"),
        "llm": marked("LLM"),
        "performance": marked("Performance"),
        "responsible-ai": marked("Responsible AI"),
        "service": marked("Service"),
        "serving": marked("Serving"),
        "systems": marked("Systems"),
        "training": marked("Training"),
    }
)
"""Folders of the articles."""
SAID = Words(
    {
        "approved": marked("Approved: the answer is on its way."),
        "endorsed": marked("Approved by you. A second person has to approve the same text before it leaves."),
        "edited": marked("Approved as edited: the answer is on its way."),
        "attached": marked("Attached: it leaves with the answer."),
        "detached": marked("Taken off: it does not leave with the answer."),
        "withdrawn": marked("Taken back: nothing was sent."),
        "rejected": marked("Rejected: nothing was sent. The reason is kept with the ticket."),
        "redraft": marked("Another draft was asked for."),
        "placed": marked("Placed as you said; the correction is kept."),
        "reusable": marked("Reusable: it enters the index with the next sync."),
        "not reusable": marked("Taken back: it leaves the index with the next sync."),
        "saved": marked("Saved."),
        "assign": marked("Assigned."),
        "snooze": marked("Snoozed."),
        "wake": marked("Back in the views."),
        "resolve": marked("Resolved."),
        "reopen": marked("Opened again."),
        "tag": marked("Tagged."),
        "untag": marked("The tag is off."),
        "merge": marked("Merged: this ticket has all messages now."),
        "split": marked("Split off into this ticket."),
        "link": marked("Linked."),
        "unlink": marked("No longer linked."),
        "asked": marked("Asked: the answer waits until both have approved it."),
        "not asked": marked("Withdrawn: the answer no longer waits for a colleague."),
        "handed over": marked("Handed to the partner, whose people see it now."),
        "taken back": marked("Taken back from the partner."),
        "evaluated": marked("Your evaluation is kept."),
        "decided": marked("Decided. The letter to the requester awaits approval on the ticket."),
        "planned": marked("The plan is kept."),
        "macro": marked("The macro is applied."),
        "letter": marked("The letter is drafted; it leaves after an approval."),
        "noted": marked("The note is kept."),
        "run approved": marked("Approved: the watcher submits it."),
        "run rejected": marked("Turned down; the reason is kept."),
        "run proposed": marked("Proposed: it waits for a named engineer's yes."),
        "wished": marked("The wish is kept: it waits for a specification."),
        "wished before": marked("This was wished before; nothing was added."),
        "undone": marked("Undone."),
        "undone in part": marked("Undone, except where somebody has changed the same thing since."),
    }
)
"""What a page says once after something was done, by the code that the cookie holds."""
