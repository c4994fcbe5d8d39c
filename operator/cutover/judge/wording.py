"""Numbers as a person on call reads them: "5.1 %", "1,240", "250 ms"."""

from math import ceil, isfinite, log10


def percent(share: float) -> str:
    """Write a share (0-1) to two or three figures: 0 %, 0.062 %, 5.1 %, 12.3 %."""
    value = share * 100.0
    if not value:
        return "0 %"
    digits = 1 if abs(value) >= 10 else 2
    text = f"{value:.1f}" if digits == 1 else f"{value:.2g}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def count(requests: float) -> str:
    """Write requests as a whole number with thousands: 1,240."""
    return f"{requests:,.0f}"


def about(requests: float) -> str:
    """Write an estimate, rounded up to two figures: 120, 2,400."""
    if not isfinite(requests) or requests < 1:
        return "1"
    step = 10.0 ** max(0, int(log10(requests)) - 1)
    return f"{ceil(requests / step) * step:,.0f}"


def duration(seconds: float) -> str:
    """Write seconds as 250 ms, 1 s, 2.5 s, 10 min."""
    if seconds < 1:
        return f"{seconds * 1000:.4g} ms"
    if seconds < 120:
        return f"{seconds:.4g} s"
    return f"{seconds / 60:.4g} min"
