"""How candidates become scores: which fit runs when and where, what is noted, who goes on.

``running`` is the search under way; it hands fits out to ``engines`` and notes them in a
``journal``, which ``records`` reads. ``evaluation`` is what a fit is and what came back; ``racing``
and ``epochs`` end candidates early; ``beginning`` is what is known before.
"""
