"""Secrets at rest: Fernet tokens under keys from the environment, newest key first."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class SecretUnreadableError(Exception):
    """The stored secret was encrypted under a key that is no longer configured."""


def _fernet() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    except ValueError as error:
        raise ImproperlyConfigured(
            "READINESS_ENCRYPTION_KEYS must hold at least one Fernet key (44 characters of URL-safe base64)."
        ) from error


def encrypt(secret: str) -> bytes:
    """The Fernet token to store; empty for an empty secret."""
    return _fernet().encrypt(secret.encode()) if secret else b""


def decrypt(token: bytes) -> str:
    """The secret of a stored token. Raises ``SecretUnreadableError`` when no configured key fits."""
    if not token:
        return ""
    try:
        return _fernet().decrypt(bytes(token)).decode()
    except InvalidToken as error:
        raise SecretUnreadableError(
            "The stored credential cannot be read with the configured keys. Enter it again, or put the "
            "old key back into READINESS_ENCRYPTION_KEYS."
        ) from error
