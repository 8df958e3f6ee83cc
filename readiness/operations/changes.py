"""How a page makes a change of policy and says how it went."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from readiness.limits.services import NotYetInForceError
from readiness.limits.tickets import LimiterUnavailableError

_NOTHING_CHANGED = "Nothing was changed, because Redis does not answer. Try again when it is back."


def put_into_force(
    request: HttpRequest, change: Callable[[], object], done: str, form: forms.Form | None = None
) -> bool:
    """Makes the change and says ``done``; False when nothing was changed, as the form then says."""
    try:
        change()
    except LimiterUnavailableError:
        if form:
            form.add_error(None, _NOTHING_CHANGED)
        else:
            messages.error(request, _NOTHING_CHANGED)
        return False
    except NotYetInForceError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, done)
    return True
