"""A population in parts: who is where, what each part must hear of the others, and the steps of all parts together.

``sharded`` makes every population that is simulated within it run in parts on a Ray cluster; tables are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.society.shards.cluster import sharded
    from doxa.society.shards.partitioning import Cut, cut_of, partition
    from doxa.society.shards.pieces import Piece, pieces_of

__all__ = ["Cut", "Piece", "cut_of", "partition", "pieces_of", "sharded"]

__getattr__ = loader(
    __name__,
    {
        "Cut": "partitioning",
        "Piece": "pieces",
        "cut_of": "partitioning",
        "partition": "partitioning",
        "pieces_of": "pieces",
        "sharded": "cluster",
    },
)
