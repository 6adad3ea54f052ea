"""verl: doxa's losses and advantages in its registries, under the signatures that it calls.

    # my_objectives.py, named in verl's configuration as actor_rollout_ref.model.external_lib=my_objectives
    from doxa.interop.verl import register

    register(losses={"my_kl_cov": "kl-cov?fraction=0.002"}, advantages={"my_grpo": "grpo?scale=none"})

and then ``actor_rollout_ref.actor.policy_loss.loss_mode=my_kl_cov``, ``algorithm.adv_estimator=my_grpo``. Workers and
trainer are processes of their own: the losses are wanted in the workers, the advantages where the trainer runs, so
import the module there too. Importing doxa.interop.verl loads neither verl nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.interop.verl.registration import advantage_estimator, offering, policy_loss, register

__all__ = ["advantage_estimator", "offering", "policy_loss", "register"]

__getattr__ = loader(__name__, dict.fromkeys(__all__, "registration"))
