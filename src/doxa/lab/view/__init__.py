"""``doxa view``: a local web application over the run store.

The server (``app``) sends small pages and JSON; the scripts in ``static`` fill the pages with text nodes. What is
shown of a run is a panel (``panels``), what is shown of the whole store is a page (``pages``): one Python module that
reads and one script of the same name that draws. ``security`` says who is answered.
"""
