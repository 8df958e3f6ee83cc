"""How a page makes a change of policy and says how it went."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest

from readiness.limits.services import NotYetInForceError
from readiness.limits.tickets import LimiterUnavailableError

_SET_MEANWHILE = "Somebody set this meanwhile, so nothing was changed. Change that one in the list."
_NOTHING_CHANGED = "Nothing was changed, because Redis does not answer. Try again when it is back."


def put_into_force(
    request: HttpRequest, change: Callable[[], object], done: str, form: forms.Form | None = None
) -> bool:
    """Makes the change and says ``done``; False when nothing was changed, as the form then says."""
    try:
        change()
    except (LimiterUnavailableError, IntegrityError) as error:
        words = _SET_MEANWHILE if isinstance(error, IntegrityError) else _NOTHING_CHANGED
        if form:
            form.add_error(None, words)
        else:
            messages.error(request, words)
        return False
    except NotYetInForceError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, done)
    return True
