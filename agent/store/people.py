"""Support engineers, their sign-in links, passwords and sessions."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import update
from sqlmodel import Session, col, delete, select

from agent.errors import HelpdeskError, NotFoundError, SignOnError
from agent.store.tables import DeskSession, Engineer, Passkey, Role, SignInLink, now

LINK_LIFETIME = timedelta(hours=24)
SESSION_LIFETIME = timedelta(hours=12)
MIN_PASSWORD_LENGTH = 12

_hasher = PasswordHasher()
# Verified when no such engineer exists, so that the answer takes as long as for one who does.
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


def add_engineer(session: Session, *, name: str, email: str, role: Role = Role.ENGINEER) -> Engineer:
    """Raises HelpdeskError when the address is taken."""
    address = email.strip().casefold()
    if session.exec(select(Engineer).where(Engineer.email == address)).first():
        raise HelpdeskError(
            f"there is already an engineer with the address {address}: use `minerva user link {address}`"
        )
    engineer = Engineer(name=name.strip(), email=address, role=role)
    session.add(engineer)
    session.flush()
    return engineer


def by_email(session: Session, email: str) -> Engineer:
    """Raises NotFoundError."""
    found = session.exec(select(Engineer).where(Engineer.email == email.strip().casefold())).first()
    if found is None:
        raise NotFoundError(f"there is no engineer with the address {email}: use `minerva user add`")
    return found


def active_by_email(session: Session, email: str) -> Engineer | None:
    """None for who is not known or may not sign in any more."""
    return _active(session.exec(select(Engineer).where(Engineer.email == email.strip().casefold())).first())


def all_engineers(session: Session) -> list[Engineer]:
    return list(session.exec(select(Engineer).order_by(col(Engineer.id))))


def disable(session: Session, engineer: Engineer) -> None:
    """No more sign-in; open sessions end at once."""
    engineer.disabled_at = now()
    session.add(engineer)
    session.execute(delete(DeskSession).where(col(DeskSession.engineer_id) == engineer.id))


def new_sign_in_link(session: Session, engineer: Engineer) -> str:
    """A token that signs in once within 24 hours; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    session.add(SignInLink(token_hash=_hash(token), engineer_id=key_of(engineer), expires_at=now() + LINK_LIFETIME))
    return token


def link_owner(session: Session, token: str) -> Engineer | None:
    """Whom the link would sign in; it is not used up."""
    kept = session.get(SignInLink, _hash(token))
    if kept is None or kept.used_at is not None or kept.expires_at <= now():
        return None
    return _active(session.get(Engineer, kept.engineer_id))


def redeem_link(session: Session, token: str) -> Engineer | None:
    """The engineer, once; None for a link that is unknown, used, too old, or of a disabled engineer."""
    used = session.execute(
        update(SignInLink)
        .where(
            col(SignInLink.token_hash) == _hash(token),
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > now(),
        )
        .values(used_at=now())
        .returning(col(SignInLink.engineer_id))
    ).scalar_one_or_none()
    return _active(session.get(Engineer, used)) if used is not None else None


def check_password(session: Session, email: str, password: str) -> Engineer | None:
    """The engineer when the password is right and the account is open."""
    engineer = session.exec(select(Engineer).where(Engineer.email == email.strip().casefold())).first()
    kept = engineer.password_hash if engineer is not None else None
    try:
        _hasher.verify(kept or _NOBODY, password)
    except (Argon2Error, InvalidHashError):
        return None
    return _active(engineer) if kept else None


def set_password(session: Session, engineer: Engineer, password: str) -> None:
    """Raises HelpdeskError for a password that is too short."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise HelpdeskError("a password has at least {count} characters", count=MIN_PASSWORD_LENGTH)
    engineer.password_hash = _hasher.hash(password)
    session.add(engineer)


def start_session(session: Session, engineer: Engineer, client: str = "") -> str:
    """The token for the cookie; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    session.add(
        DeskSession(
            token_hash=_hash(token),
            engineer_id=key_of(engineer),
            csrf_token=secrets.token_urlsafe(32),
            client=client[:200],
            expires_at=now() + SESSION_LIFETIME,
        )
    )
    return token


def session_of(session: Session, token: str) -> tuple[DeskSession, Engineer] | None:
    """None for an unknown or expired session, or a disabled engineer."""
    found = session.get(DeskSession, _hash(token))
    if found is None or found.expires_at <= now():
        return None
    engineer = _active(session.get(Engineer, found.engineer_id))
    return None if engineer is None else (found, engineer)


def end_session(session: Session, token: str) -> None:
    session.execute(delete(DeskSession).where(col(DeskSession.token_hash) == _hash(token)))


def sessions_of(session: Session, engineer: Engineer) -> list[DeskSession]:
    """That have not ended, the newest first."""
    query = select(DeskSession).where(DeskSession.engineer_id == engineer.id, col(DeskSession.expires_at) > now())
    return list(session.exec(query.order_by(col(DeskSession.created_at).desc())))


def end_session_of(session: Session, engineer: Engineer, key: str) -> None:
    """`key` is the `token_hash`; a session of somebody else stays."""
    mine = col(DeskSession.token_hash) == key, col(DeskSession.engineer_id) == engineer.id
    session.execute(delete(DeskSession).where(*mine))


def passkeys_of(session: Session, engineer: Engineer) -> list[Passkey]:
    """The oldest first."""
    mine = select(Passkey).where(Passkey.engineer_id == engineer.id)
    return list(session.exec(mine.order_by(col(Passkey.created_at))))


def passkey(session: Session, key: str) -> Passkey | None:
    return session.get(Passkey, key)


def owner_of(session: Session, kept: Passkey) -> Engineer | None:
    """None for who may not sign in any more."""
    return _active(session.get(Engineer, kept.engineer_id))


def add_passkey(session: Session, made: Passkey) -> None:
    """Raises SignOnError for one that is there already."""
    if session.get(Passkey, made.id) is not None:
        raise SignOnError("This passkey is on record already.")
    session.add(made)


def remove_passkey(session: Session, engineer: Engineer, key: str) -> None:
    """One of somebody else stays."""
    session.execute(delete(Passkey).where(col(Passkey.id) == key, col(Passkey.engineer_id) == engineer.id))


def with_passkeys(session: Session) -> set[int]:
    """Keys of the engineers who have one."""
    return set(session.exec(select(Passkey.engineer_id).distinct()))


def has_second_factor(session: Session, engineer: Engineer) -> bool:
    """Whether a password or a link alone signs nobody in."""
    return engineer.totp_secret is not None or bool(passkeys_of(session, engineer))


def forget_second_factor(session: Session, engineer: Engineer) -> None:
    """Codes and passkeys."""
    engineer.totp_secret = None
    session.execute(delete(Passkey).where(col(Passkey.engineer_id) == engineer.id))


def enable(session: Session, engineer: Engineer) -> None:
    engineer.disabled_at = None
    session.add(engineer)


def set_role(session: Session, engineer: Engineer, role: Role) -> None:
    """Raises HelpdeskError when nobody would be left to give roles."""
    if engineer.role == Role.ADMIN and role != Role.ADMIN and not _other_admins(session, engineer):
        raise HelpdeskError("{name} is the only admin: make somebody else one first", name=engineer.name)
    engineer.role = role
    session.add(engineer)


def _other_admins(session: Session, engineer: Engineer) -> bool:
    others = select(Engineer).where(Engineer.role == Role.ADMIN, Engineer.id != engineer.id)
    return session.exec(others.where(col(Engineer.disabled_at).is_(None))).first() is not None


def _active(engineer: Engineer | None) -> Engineer | None:
    return engineer if engineer is not None and engineer.disabled_at is None else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def key_of(engineer: Engineer) -> int:
    """The primary key of a row that has been flushed."""
    assert engineer.id is not None
    return engineer.id


def has_signed_in(session: Session, engineer: Engineer) -> bool:
    """Whether a link was ever used or a password set."""
    used = select(SignInLink).where(SignInLink.engineer_id == engineer.id, col(SignInLink.used_at).is_not(None))
    return engineer.password_hash is not None or session.exec(used).first() is not None


def rename(session: Session, engineer: Engineer, name: str) -> None:
    engineer.name = name.strip()
    session.add(engineer)
