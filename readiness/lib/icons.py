"""The product's shapes: 12 x 12, drawn in the current colour, so that no status rests on colour alone."""

_ROUND = 'fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'
_STROKE = f'{_ROUND} stroke-width="1.8"'
_THIN = f'{_ROUND} stroke-width="1.4"'

SHAPES: dict[str, str] = {
    "tick": f'<path d="M2.5 6.5 5 9l4.5-6" {_STROKE}/>',
    "cross": f'<path d="m3 3 6 6M9 3 3 9" {_STROKE}/>',
    "clock": f'<circle cx="6" cy="6" r="4.4" {_THIN}/><path d="M6 3.6V6l1.6 1.2" {_THIN}/>',
    "scales": f'<path d="M6 2.2v7.6M3 4.4 1.4 7.6h3.2zM9 4.4 7.4 7.6h3.2zM3 4.4h6" {_THIN}/>',
    "dashes": '<circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.5"'
    ' stroke-dasharray="2 2"/>',
    "dash": f'<path d="M3 6h6" {_STROKE}/>',
    "dot": '<circle cx="6" cy="6" r="1.8" fill="currentColor"/>',
    "question": f'<path d="M4 4.4a2 2 0 1 1 3.2 1.6C6.4 6.6 6 6.9 6 7.6M6 9.8v.1" {_THIN}/>',
    "shield": f'<path d="M6 1.8 9.8 3v3c0 2-1.5 3.5-3.8 4.4C3.7 9.5 2.2 8 2.2 6V3z" {_THIN}/>',
    "signature": f'<path d="M1.8 9.8h8.4M3 7.5 7.8 2.3l1.6 1.5L4.6 9H3z" {_THIN}/>',
    "play": '<path d="M3.5 2.2v7.6L9.8 6z" fill="currentColor"/>',
    "pause": f'<path d="M4 2.8v6.4M8 2.8v6.4" {_STROKE}/>',
    "hourglass": '<path d="M3 1.8h6M3 10.2h6M3.6 1.8c0 3 4.8 5.4 4.8 8.4M8.4 1.8c0 3-4.8 5.4-4.8 8.4"'
    f" {_THIN}/>",
    "stop": f'<circle cx="6" cy="6" r="4.4" {_THIN}/><path d="m3 9 6-6" {_THIN}/>',
    "coin": f'<circle cx="6" cy="6" r="4.4" {_THIN}/><path d="M4.3 6h3.4" {_THIN}/>',
    "warning": f'<path d="M6 1.8 11 10.2H1zM6 5v2.2M6 8.7v.1" {_THIN}/>',
    "info": f'<circle cx="6" cy="6" r="4.6" {_THIN}/><path d="M6 5.6v2.8M6 3.6v.1" {_THIN}/>',
    "chevron": f'<path d="m3 4.5 3 3 3-3" {_THIN}/>',
    "menu": f'<path d="M1.5 3h9M1.5 6h9M1.5 9h9" {_THIN}/>',
    "person": f'<circle cx="6" cy="4" r="2.2" {_THIN}/>'
    f'<path d="M1.8 10.6c.5-2.3 2.1-3.4 4.2-3.4s3.7 1.1 4.2 3.4" {_THIN}/>',
}
"""Name to the markup inside a 12 x 12 ``<svg>``."""

STATUS_SHAPES: dict[str, str] = {
    "pass": "tick",
    "attested": "signature",
    "fail": "cross",
    "undecided": "scales",
    "stale": "clock",
    "unknown": "dashes",
    "abstain": "question",
    "waived": "shield",
    "not-applicable": "dash",
    "unmeasured": "dot",
    "queued": "hourglass",
    "pending": "hourglass",
    "waiting": "hourglass",
    "running": "play",
    "leased": "play",
    "paused": "pause",
    "budget_stopped": "coin",
    "done": "tick",
    "approved": "tick",
    "corrected": "signature",
    "failed": "cross",
    "rejected": "cross",
    "cancelled": "stop",
    "withdrawn": "stop",
}
"""Class of a status (of a criterion, a run, a review item) to the name of its shape."""
