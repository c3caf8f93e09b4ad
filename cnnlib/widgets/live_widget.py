"""A widget that runs a trained network on the reader's machine.

On a page the network's file comes from the site (``cnnlib/live/site.py``). In a notebook Python
sends it when the widget asks, by ``wanted``: the widget runs it there as on the page.
"""

from collections.abc import Sequence
from typing import ClassVar

import traitlets

from cnnlib.widgets.widget import TeachingWidget


class LiveWidget(TeachingWidget):
    """Base of the widgets with a network; the page's side is ``loaderOf`` of ``live/loader.js``.

    All have the words and the styles ``live``. A widget's own table may say the same otherwise.
    """

    networks: ClassVar[tuple[str, ...]] = ()  # the keys of those that the page may load

    wanted = traitlets.Unicode("").tag(
        sync=True
    )  # a network's key, or "digits", that the page asks for
    sent_file = traitlets.Bytes(b"").tag(sync=True)
    sent = traitlets.Dict().tag(sync=True)  # {entry, worker}, set behind the file

    def __init_subclass__(cls, shared: Sequence[str] = (), **kwargs) -> None:
        super().__init_subclass__(shared=("live", *shared), **kwargs)

    @traitlets.observe("wanted")
    def _send_network(self, change: dict) -> None:
        from cnnlib.live.site import (
            digits_entry,
            digits_file,
            network_file,
            shipped_entry,
            worker_script,
        )

        key = change["new"]
        if not key:
            self.sent, self.sent_file = {}, b""
            return
        if key == "digits":
            self.sent_file = digits_file()
            self.sent = {"entry": {"key": key, **digits_entry()}, "worker": ""}
            return
        entry = {"key": key, **shipped_entry(key)}
        self.sent_file = network_file(key)
        self.sent = {"entry": entry, "worker": worker_script()}
