"""Importing this module registers everything with its defaults, as ``doxa_<name>``.

``actor_rollout_ref.model.external_lib=doxa.interop.verl.registered`` is all that a configuration of verl needs to name
``doxa_kl_cov`` or ``doxa_clip_cov``. Options of your own take a module of your own, see ``doxa.interop.verl``.
"""

from __future__ import annotations

from doxa.interop.verl.registration import register

register()
