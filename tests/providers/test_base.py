"""What the errors of providers tell those who share an upstream."""

import pytest

from readiness.providers import base
from readiness.providers.base import ProviderError


@pytest.mark.parametrize(
    ("kind", "signal", "retryable"),
    [
        (base.RateLimitedError, "rate", True),
        (base.RampLimitedError, "ramp", True),
        (base.ConcurrencyLimitedError, "concurrency", True),
        (base.OutOfCreditError, "out_of_credit", False),
        (base.OverloadedError, "overloaded", True),
        (base.ProviderFaultError, "fault", True),
        (base.UnreachableError, "unreachable", True),
        (base.RefusedAddressError, "", False),
        (base.BadCredentialError, "", False),
        (base.BadRequestError, "", False),
    ],
)
def test_error_signals_what_others_must_learn(
    kind: type[ProviderError], signal: str, retryable: bool
) -> None:
    assert (kind("No.").signal, kind.retryable) == (signal, retryable)
