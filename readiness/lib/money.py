"""Money as whole nano-dollars (1 USD = 1,000,000,000), so that sums over millions of calls stay exact."""

from decimal import ROUND_HALF_EVEN, Decimal

NANOS_PER_USD = 1_000_000_000


def nanos(usd: Decimal | str | int) -> int:
    """US dollars to nano-dollars, rounded half to even. Floats are not accepted: they are already inexact."""
    return int((Decimal(usd) * NANOS_PER_USD).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def usd(amount_nanos: int) -> Decimal:
    """Nano-dollars to US dollars, exact."""
    return Decimal(amount_nanos) / NANOS_PER_USD


def format_usd(amount_nanos: int) -> str:
    """Money to the precision that matters: ``$0.0021``, ``$3.40``, ``$1,240``.

    Two significant digits below a cent, cents up to 100 dollars, whole dollars above.
    """
    sign = "-" if amount_nanos < 0 else ""
    amount = usd(abs(amount_nanos))
    if amount == 0:
        return "$0"
    if amount >= 100:
        return f"{sign}${amount:,.0f}"
    if amount >= Decimal("0.01"):
        return f"{sign}${amount:.2f}"
    places = 1 - amount.adjusted()
    return f"{sign}${amount:.{places}f}"
