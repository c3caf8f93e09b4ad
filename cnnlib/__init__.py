"""The library of the book: convolutional networks taken apart.

Ground floor, facts and networks:
    ``geometry`` (exact window arithmetic), ``rows`` (the records of a trace), ``calls`` (how a call
    of torch is read), ``layers``, ``models`` (one paper, one file)
First floor, what we measure or load:
    ``trace`` (a module, layer by layer), ``layout`` (a trace, as a drawing's plan), ``data``,
    ``weights``, ``train``, ``experiments`` (the papers' comparisons, in small)
Top floor, what we show:
    ``inside`` (what units answer to, what answers rest on), ``diagrams`` (matplotlib), ``widgets``
    (one source for notebook and page)

Everyone looks down, never up, never sideways on the top floor; importing ``cnnlib`` imports none of
them. The book, in ``book/``, is the roof: it uses everything, and nothing here knows it.
"""

__version__ = "0.1.0"
