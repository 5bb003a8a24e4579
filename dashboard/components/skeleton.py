"""Grey placeholders of what is still being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.components.markup import markup
from dashboard.theme import colour

if TYPE_CHECKING:
    import panel as pn

SKELETON_CSS = f"""
.skeleton {{ border-radius: 10px; background: {colour("raised")}; animation: pulse 1.4s ease-in-out infinite; }}
@keyframes pulse {{ 50% {{ opacity: 0.55; }} }}
@media (prefers-reduced-motion: reduce) {{ .skeleton {{ animation: none; }} }}
"""


def skeleton(height: int) -> pn.pane.HTML:
    """Make a placeholder of the size that the content will have, so that nothing jumps when it comes."""
    return markup(f'<div class="skeleton" style="height:{height}px" aria-hidden="true"></div>', SKELETON_CSS)
