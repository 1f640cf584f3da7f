"""How a search is looked at: pictures of it, and a page.

``sources`` turns searches, journals and results into one form, ``content``; ``tried`` has the space
of those that do not tell it. A ``landscape`` is what a Gaussian process makes of the scores, and
``importance`` whose doing they are. ``display`` draws, on ``scales`` of values, and ``report``
writes the page: ``page.html`` and ``page.css``, the scripts ``page.js``, ``pictures.js`` and
``table.js`` in this order, and the code of the ``winner``.
"""

from skdeep.model_selection.looking.display import SearchDisplay

__all__ = ["SearchDisplay"]
