"""How a search is looked at: pictures of it, and a page.

``sources`` turns searches, journals and results into one form, ``content``. A ``landscape`` is what
a Gaussian process makes of its scores, ``importance`` whose doing they are. ``display`` draws, and
``report`` writes the page, of which ``page.html``, ``page.css`` and ``page.js`` are the parts.
"""

from skdeep.model_selection.looking.display import SearchDisplay

__all__ = ["SearchDisplay"]
